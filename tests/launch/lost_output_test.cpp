// SPDX-License-Identifier: Apache-2.0
// A run whose output nobody reads any more: it goes on, or saves and stops, and its files are complete.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/process.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using testing::HasSubstr;

std::string line_of(const std::vector<std::string>& argv) {
  std::string line;
  for (const std::string& word : argv) line += "'" + word + "' ";
  return line;
}

class LostOutput : public testing::Test {
 protected:
  static const std::vector<std::string> kSettings;
  [[nodiscard]] std::string train(const std::string& name) const {
    return line_of(tiny_.command(1, name, kSettings));
  }
  [[nodiscard]] std::string launch(const std::string& name) const {
    return line_of(tiny_.launch(name, kSettings));
  }
  void expect_complete(const std::string& name) const {
    EXPECT_EQ(losses(tiny_.run_folder(name)).size(), 20U);
    EXPECT_FALSE(checkpoint_tensors(tiny_.run_folder(name)).empty());
  }
  // Runs the command with a reader that goes after the first line. Returns the command's exit code.
  [[nodiscard]] int without_reader(const std::string& command) const {
    const std::string file = tiny_.folder() / "code";
    run_shell("( " + command + " ; echo $? > '" + file + "' ) 2>&1 | head -n 1");
    int code = -1;
    std::ifstream(file) >> code;
    return code;
  }
  TinyRun tiny_;
};
const std::vector<std::string> LostOutput::kSettings = {"run.steps=20", "telemetry.progress_every=1ms"};

TEST_F(LostOutput, TheReaderGoes) {
  EXPECT_EQ(without_reader(train("train")), 0);
  expect_complete("train");
  EXPECT_EQ(without_reader(launch("launch")), 0);
  expect_complete("launch");
}

TEST_F(LostOutput, TheDiskBehindItIsFull) {
  EXPECT_EQ(run_shell(train("train") + "> /dev/full").exit_code, 0);
  expect_complete("train");
  EXPECT_EQ(run_shell(launch("launch") + "> /dev/full 2>&1").exit_code, 0);
  expect_complete("launch");
}

// A file of the run would get the number of a closed descriptor, and receive the text for it.
TEST_F(LostOutput, AllDescriptorsAreClosed) {
  EXPECT_EQ(run_shell(train("train") + "<&- >&- 2>&-").exit_code, 0);
  expect_complete("train");
  EXPECT_EQ(run_shell(launch("launch") + "<&- >&- 2>&-").exit_code, 0);
  expect_complete("launch");
}

TEST_F(LostOutput, TheTerminalIsClosed) {
  auto settings = kSettings;
  settings[0] = "run.steps=1000000";
  Process process(tiny_.command(1, "hang-up", settings));
  ASSERT_TRUE(process.wait_for_output("global batch"));
  process.signal(SIGHUP);
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.exit_code, 75) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("on SIGHUP; checkpoint saved"));
}

TEST_F(LostOutput, NohupStaysInForce) {
  const ProcessResult result = run_shell("trap '' HUP; " + train("nohup") +
                                         "& pid=$!; kill -HUP $pid; sleep 0.3; "
                                         "kill -HUP $pid; wait $pid");
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  expect_complete("nohup");
}

TEST_F(LostOutput, ALimitOfFileSizesIsAStorageError) {
  const ProcessResult result = run_shell("ulimit -f 8; " + train("limited"));  // 8 blocks of 512 bytes
  EXPECT_EQ(result.exit_code, 8) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("File too large; raise the limit of file sizes (ulimit -f)"));
}

TEST_F(LostOutput, TheFolderOfTheRunIsRenamed) {
  auto settings = kSettings;
  settings[0] = "run.steps=1000000";
  Process process(tiny_.launch("gone", settings));
  ASSERT_TRUE(process.wait_for_output("global batch"));
  std::filesystem::rename(tiny_.run_folder("gone"), tiny_.run_folder("renamed"));
  const ProcessResult result = process.wait();
  EXPECT_EQ(result.exit_code, 8) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("is no longer there"));
}

TEST_F(LostOutput, ACommandWhoseOutputIsItsResultFails) {
  const std::string config = tiny_.folder() / "tiny.yaml";
  for (const std::string& command :
       {std::string("config --schema"), "plan " + config, "plan --helm-values " + config}) {
    const ProcessResult result = run_shell(ebb_binary() + " " + command + " > /dev/full");
    EXPECT_EQ(result.exit_code, 8) << command << result.err;
    EXPECT_THAT(result.err, HasSubstr("cannot write to standard output")) << command;
  }
}

}  // namespace
}  // namespace ebb::test
