// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "support/process.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::size_t times(const std::string& text, const std::string& what) {
  std::size_t count = 0;
  for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

// `ebb launch` instead of `ebb train` for the tiny run.
std::vector<std::string> launch(const TinyRun& tiny, int ranks, const std::string& name,
                                const std::vector<std::string>& overrides, bool print_only = false) {
  std::vector<std::string> argv = tiny.command(1, name, overrides);
  argv[1] = "launch";
  argv.insert(argv.begin() + 2, {"-n", std::to_string(ranks)});
  if (print_only) argv.insert(argv.begin() + 2, "--print");
  return argv;
}

// The environment of a person who has set nothing.
ProcessOptions plain() {
  ProcessOptions options;
  options.unset = {"OMPI_ALLOW_RUN_AS_ROOT", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"};
  return options;
}

TEST(Launch, TrainsOnTheRequestedRanksAndPrintsTheLine) {
  const TinyRun tiny;
  const ProcessResult result = run(launch(tiny, 2, "two", {"run.steps=3"}), plain());
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, ::testing::ContainsRegex("mpirun .*-n 2 .* train "));
  const ProcessResult alone = tiny.train(2, "two", {"run.steps=3"});
  EXPECT_EQ(alone.exit_code, 0) << "the run of launch is not the run that mpirun finds: " << alone.err;
}

// mpirun gives every rank its own pseudo-terminal, whatever mpirun's own output is.
TEST(Launch, WithoutATerminalNoLineIsRedrawn) {
  const TinyRun tiny;
  const ProcessResult result = run(launch(tiny, 2, "plain", {"run.steps=3"}), plain());
  EXPECT_THAT(result.out + result.err, Not(HasSubstr("\033")));
}

// As the chart calls it: a host file, variables to pass on, then the configuration.
TEST(Launch, UsesAHostFile) {
  const TinyRun tiny;
  const std::string hosts = tiny.folder() / "hosts";
  std::ofstream(hosts) << "localhost slots=2\n";
  auto argv = launch(tiny, 2, "by-file", {"run.steps=3"});
  argv.insert(argv.begin() + 2, {"--hostfile", hosts, "--forward", "HOME", "--forward", "PATH"});
  const ProcessResult result = run(argv, plain());
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("-x HOME -x PATH -n 2 "));
  argv.insert(argv.begin() + 2, {"--wait", "200ms", "--port", "1"});
  const ProcessResult waited = run(argv, plain());
  EXPECT_EQ(waited.exit_code, 5) << waited.out << waited.err;
  EXPECT_THAT(waited.err, HasSubstr("1 of 1 hosts did not answer on port 1"));
}

TEST(Launch, ThePrintedLineRunsAsTyped) {
  const TinyRun tiny;
  const ProcessResult printed = run(launch(tiny, 2, "a name", {"run.steps=2"}, true), plain());
  ASSERT_EQ(printed.exit_code, 0) << printed.err;
  EXPECT_EQ(times(printed.out, "\n"), 1U);
  EXPECT_THAT(printed.out, HasSubstr("'run.name=a name'"));
  const ProcessResult typed = run_shell(printed.out, plain());
  EXPECT_EQ(typed.exit_code, 0) << typed.err;
}

TEST(Launch, MoreRanksThanCoresRun) {
  const TinyRun tiny;
  EXPECT_EQ(run(launch(tiny, 4, "four", {"run.steps=2"}), plain()).exit_code, 0);
}

TEST(Launch, ARanksErrorIsPrintedOnceAndItsCodeReturned) {
  const TinyRun tiny;
  const std::vector<std::string> wrong = {"data.source=/nowhere/at/all"};
  const ProcessResult alone = tiny.train(1, "wrong", wrong);
  ASSERT_NE(alone.exit_code, 0);
  const ProcessResult result = run(launch(tiny, 2, "wrong", wrong), plain());
  EXPECT_EQ(result.exit_code, alone.exit_code);
  EXPECT_EQ(times(result.err, "ebb: "), 1U) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("-----"))) << "mpirun's own text hides the message";
}

TEST(Launch, AWrongConfigurationStartsNoRank) {
  const TinyRun tiny;
  const ProcessResult result = run(launch(tiny, 2, "x", {"optimizer.lrr=1"}), plain());
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("optimizer.lr"));
}

TEST(Launch, ARankCountThatTheConfigurationForbidsIsRefused) {
  const TinyRun tiny;
  const ProcessResult result = run(launch(tiny, 2, "x", {"parallel.ranks=4"}), plain());
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("parallel.ranks"));
}

// As with an mpirun of another MPI: each rank is alone, and would train the whole run.
TEST(Launch, RanksThatDoNotSeeEachOtherTrainNothing) {
  const TinyRun tiny;
  std::vector<std::string> argv = tiny.command(1, "alone", {"run.steps=2"});
  argv.insert(argv.begin() + 2, {"--ranks", "2"});
  const ProcessResult result = run(argv, plain());
  EXPECT_EQ(result.exit_code, 5) << result.out << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("2 ranks are expected"), HasSubstr("do not see each other")));
}

TEST(Launch, WithoutMpirunTheErrorSaysWhatToInstall) {
  const TinyRun tiny;
  ProcessOptions options = plain();
  options.environment["PATH"] = "/nowhere";
  const ProcessResult result = run(launch(tiny, 2, "x", {}), options);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("openmpi-bin"));
}

// mpirun fails at each of them with code 1 and no word on the cause.
TEST(Launch, AnEnvironmentThatMpirunFailsInIsRefusedBeforeTheStart) {
  const TinyRun tiny;
  const std::vector<std::string> argv = launch(tiny, 2, "x", {"run.steps=2"});
  std::string line;
  for (const std::string& word : argv) line += "'" + word + "' ";
  const ProcessResult few = run({"bash", "-c", "ulimit -n 20; exec " + line}, plain());
  EXPECT_EQ(few.exit_code, 2) << few.err;
  EXPECT_THAT(few.err, HasSubstr("may open 20 files (ulimit -n), and mpirun needs 256"));

  ProcessOptions options = plain();
  options.environment["TMPDIR"] = "/nowhere";
  const ProcessResult no_folder = run(argv, options);
  EXPECT_EQ(no_folder.exit_code, 2) << no_folder.err;
  EXPECT_THAT(no_folder.err,
              HasSubstr("none can be made in /nowhere (No such file or directory): set TMPDIR"));

  for (const char* variable : {"OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_oob_tcp_if_include"}) {
    options = plain();
    options.environment[variable] = "127.0.0.0/8,no0";
    const ProcessResult no_interface = run(argv, options);
    EXPECT_EQ(no_interface.exit_code, 2) << no_interface.err;
    EXPECT_THAT(no_interface.err,
                HasSubstr(std::string(variable) + " is 127.0.0.0/8,no0, but this host has no "
                                                  "network interface no0; it has "));
    EXPECT_THAT(no_interface.err, HasSubstr("lo"));
  }
}

TEST(Launch, ALowLimitOfOpenFilesIsRaisedAndAMissingPathSet) {
  const TinyRun tiny;
  std::string line;
  for (const std::string& word : launch(tiny, 2, "x", {"run.steps=2"})) line += "'" + word + "' ";
  const ProcessResult result = run({"bash", "-c", "ulimit -S -n 20; unset PATH; exec " + line}, plain());
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
}

class StoppedLaunch : public ::testing::TestWithParam<int> {};

TEST_P(StoppedLaunch, EndsAfterTheStepWithACheckpointAndCode75) {
  const TinyRun tiny;
  Process process(launch(tiny, 2, "stopped", {"run.steps=1000000", "telemetry.progress_every=1s"}), plain());
  ASSERT_TRUE(process.wait_for_output("step ")) << process.out() << process.err();
  process.signal(GetParam());
  const ProcessResult& result = process.wait();
  EXPECT_EQ(result.exit_code, 75) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("press Ctrl-C again to end at once"));
  EXPECT_THAT(result.out + result.err, HasSubstr("checkpoint saved"));
}

INSTANTIATE_TEST_SUITE_P(Signals, StoppedLaunch, ::testing::Values(SIGINT, SIGTERM, SIGUSR1));

TEST(Launch, AKilledLauncherLeavesNoRankBehind) {
  const TinyRun tiny;
  // A word that only the command lines of these ranks contain.
  const std::string mark = "orphans-of-" + std::to_string(::getpid());
  Process process(launch(tiny, 2, mark, {"run.steps=1000000", "telemetry.progress_every=1s"}), plain());
  ASSERT_TRUE(process.wait_for_output("step ")) << process.out() << process.err();
  process.signal(SIGKILL);
  process.wait();
  // mpirun gives its ranks two seconds to end.
  EXPECT_EQ(run_shell("for i in $(seq 200); do pgrep -f '[r]un.name=" + mark +
                      "' >/dev/null || exit 0; sleep 0.05; done; exit 1")
                .exit_code,
            0);
}

}  // namespace
}  // namespace ebb::test
