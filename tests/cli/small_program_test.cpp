// SPDX-License-Identifier: Apache-2.0
// `ebb` is small: it links no LibTorch, holds little memory while it launches, and runs ebb-core for the
// rest.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "cli/commands.h"
#include "support/process.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AnyOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string text_of(const fs::path& path) {
  std::ifstream in(path);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The peak resident set of a process, in KiB; 0 if it has ended.
std::int64_t peak_resident_kib(pid_t pid) {
  std::ifstream status("/proc/" + std::to_string(pid) + "/status");
  for (std::string word; status >> word;) {
    std::int64_t kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

std::string libraries_of(const std::string& program) {
  return run({"ldd", program}).out;
}

class SmallProgram : public ::testing::Test {
 protected:
  // An mpirun that reports Open MPI's version, writes its command line to a file and waits.
  [[nodiscard]] ProcessOptions with_waiting_mpirun() const {
    std::ofstream(folder_ / "mpirun")
        << "#!/bin/sh\n"
        << "[ \"$1\" != --version ] || { echo 'mpirun (Open MPI) 4.1.4'; exit 0; }\n"
        << "echo \"$*\" >" << folder_ / "line.new" << " && mv " << folder_ / "line.new " << folder_ / "line"
        << "\n"
        << "exec sleep 100\n";
    fs::permissions(folder_ / "mpirun", fs::perms::owner_all);
    ProcessOptions options;
    options.environment["PATH"] = folder_.path() + ":/usr/bin:/bin";
    return options;
  }
  TemporaryFolder folder_;
};

TEST_F(SmallProgram, LinksNoFrameworkAndNoMpi) {
  const auto heavy = AnyOf(HasSubstr("torch"), HasSubstr("libc10"), HasSubstr("libmpi"));
  EXPECT_THAT(libraries_of(ebb_binary()), Not(heavy));
  EXPECT_THAT(libraries_of(ebb_binary() + "-core"), HasSubstr("libtorch_cpu")) << "or ldd shows nothing";
}

TEST_F(SmallProgram, HoldsAtMost20MiBWhileItLaunchesAndStartsTheCore) {
  constexpr std::int64_t kMostKiB = 20 * 1024;
  Process launched({ebb_binary(), "launch", "-n", "2", source_dir() + "/configs/vae-fashion-mnist.yaml",
                    "run.dir=" + folder_.path()},
                   with_waiting_mpirun());
  for (int i = 0; i < 600 && !fs::exists(folder_ / "line"); ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_THAT(text_of(folder_ / "line"), HasSubstr(ebb_binary() + "-core train --ranks 2"));
  const std::int64_t peak = peak_resident_kib(launched.pid());
  EXPECT_GT(peak, 0);
  EXPECT_LE(peak, kMostKiB);
}

TEST_F(SmallProgram, FindsTheCoreBesideItsRealPath) {
  fs::create_symlink(ebb_binary(), folder_ / "linked");
  const ProcessResult result = run({folder_ / "linked", "data", "inspect", folder_ / "nowhere"});
  EXPECT_NE(result.exit_code, 0);
  EXPECT_THAT(result.err, ::testing::StartsWith("ebb: "));
  EXPECT_THAT(result.err, HasSubstr("nowhere"));
  EXPECT_EQ(result.exit_code, run({ebb_binary(), "data", "inspect", folder_ / "nowhere"}).exit_code);
}

TEST_F(SmallProgram, AMissingCoreIsNamedWithTheFix) {
  fs::copy_file(ebb_binary(), folder_ / "ebb");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"train", "x.yaml"}, {"--version"}}) {
    std::vector<std::string> argv = {folder_ / "ebb"};
    argv.insert(argv.end(), arguments.begin(), arguments.end());
    const ProcessResult result = run(argv);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(folder_.path() + "/ebb-core is missing"));
    EXPECT_THAT(result.err, HasSubstr("install both programs into one folder"));
  }
  EXPECT_EQ(run({folder_ / "ebb", "--help"}).exit_code, 0);
}

TEST_F(SmallProgram, WithoutTheCoreTheVersionIsPrintedAndTheCodeIsNotZero) {
  fs::copy_file(ebb_binary(), folder_ / "ebb");
  const ProcessResult result = run({folder_ / "ebb", "--version"});
  EXPECT_EQ(result.exit_code, 2);
  const std::string all = run({ebb_binary(), "--version"}).out, own = all.substr(0, all.find('\n') + 1);
  EXPECT_THAT(own, ::testing::ContainsRegex("^ebb +[0-9]+\\.[0-9]+\\.[0-9]+\n$"));
  EXPECT_EQ(result.out, own + "ebb-core: missing or not executable at " + folder_.path() + "/ebb-core\n");
}

TEST_F(SmallProgram, HelpListsTheCommandsOfBothPrograms) {
  const std::string all = run({ebb_binary(), "--help"}).out;
  for (const cli::Command& command : cli::kCommands)
    EXPECT_THAT(all, ::testing::ContainsRegex("\n  " + std::string(command.name) + " "));
}

TEST_F(SmallProgram, EveryCommandOfTheHelpHasItsOwnHelp) {
  for (const cli::Command& command : cli::kCommands) {
    const std::string name(command.name);
    const ProcessResult result = run({ebb_binary(), name, "--help"});
    EXPECT_EQ(result.exit_code, 0) << name << ": " << result.err;
    EXPECT_THAT(result.out, HasSubstr("ebb " + name));
  }
}

}  // namespace
}  // namespace ebb::test
