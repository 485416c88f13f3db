// SPDX-License-Identifier: Apache-2.0
#include "support/process.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace ebb::test {
namespace {

using std::chrono::milliseconds;

TEST(Process, ReturnsTheOutputsAndTheExitCode) {
  const ProcessResult result = run({"sh", "-c", "echo out; echo err >&2; exit 7"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "out\n");
  EXPECT_EQ(result.err, "err\n");
  EXPECT_FALSE(result.timed_out);
}

TEST(Process, OutputLargerThanAPipeDoesNotBlock) {
  const ProcessResult result = run({"sh", "-c", "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.size(), 1'000'000U);
  EXPECT_EQ(result.err.size(), 1'000'000U);
}

TEST(Process, InputLargerThanAPipeArrivesComplete) {
  EXPECT_EQ(run({"wc", "-c"}, {.input = std::string(1'000'000, 'x')}).out, "1000000\n");
}

TEST(Process, AProgramMayIgnoreItsInput) {
  EXPECT_EQ(run({"true"}, {.input = std::string(1'000'000, 'x')}).exit_code, 0);
}

TEST(Process, ASignalGivesTheExitCodeOfAShell) {
  EXPECT_EQ(run({"sh", "-c", "kill -9 $$"}).exit_code, 137);
}

TEST(Process, OfAnMpirunThatCrashesTheCodeOfTheRankCounts) {
  const std::string text =
      R"(printf 'MPI_ABORT was invoked on rank 0\n  Proc: [[1,1],0]\n  Errorcode: 2\n' >&2; )";
  EXPECT_EQ(run_shell(text + "kill -SEGV $$").exit_code, 2);
  EXPECT_EQ(run_shell(text + "exit 3").exit_code, 3);
  EXPECT_EQ(run_shell("kill -SEGV $$").exit_code, 128 + SIGSEGV);
  const std::string text_of_4 = "echo 'with errorcode 7.' >&2; ";
  EXPECT_EQ(run_shell(text_of_4 + "echo PMIx_server_finalize >&2; kill -ABRT $$").exit_code, 7);
  EXPECT_EQ(run_shell(text_of_4 + "exit 3").exit_code, 3);
}

TEST(Process, TheTimeLimitKillsTheProgramAndItsChildren) {
  Process process({"sh", "-c", "sleep 1000 & echo $!; wait"}, {.limit = milliseconds(300)});
  const ProcessResult& result = process.wait();
  EXPECT_TRUE(result.timed_out);
  EXPECT_EQ(result.exit_code, 137);
  // The kernel may end the child a little later.
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (is_alive(std::stoi(result.out)) && std::chrono::steady_clock::now() < limit)
    std::this_thread::sleep_for(milliseconds(5));
  EXPECT_FALSE(is_alive(std::stoi(result.out)));
}

TEST(Process, ASignalReachesTheProgram) {
  Process process({"sh", "-c", "trap 'echo caught; exit 75' USR1; echo ready; while :; do sleep 0.01; done"});
  ASSERT_TRUE(process.wait_for_output("ready"));
  process.signal(SIGUSR1);
  EXPECT_EQ(process.wait().exit_code, 75);
  EXPECT_EQ(process.out(), "ready\ncaught\n");
}

TEST(Process, WaitingForOutputEndsWithTheProgram) {
  Process process({"echo", "one"});
  EXPECT_FALSE(process.wait_for_output("two"));
  EXPECT_EQ(process.wait().exit_code, 0);
}

TEST(Process, SetsTheEnvironmentAndTheFolder) {
  const TemporaryFolder folder;
  ProcessOptions options{.environment = {{"EBB_ONE", "1"}}, .unset = {"HOME"}, .folder = folder.path()};
  EXPECT_EQ(run_shell("echo $EBB_ONE-${HOME-unset}-$(pwd -P)", options).out,
            "1-unset-" + std::filesystem::canonical(folder.path()).string() + "\n");
}

TEST(Process, TheErrorNamesAMissingProgram) {
  try {
    run({"no-such-program-of-ebb"});
    FAIL() << "the program was started";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("no-such-program-of-ebb"), std::string::npos);
  }
}

TEST(Process, NoProcessOutlivesTheObject) {
  pid_t pid = -1;
  {
    const Process process({"sleep", "1000"});
    pid = process.pid();
    EXPECT_TRUE(is_alive(pid));
  }
  EXPECT_FALSE(is_alive(pid));
}

}  // namespace
}  // namespace ebb::test
