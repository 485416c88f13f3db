// SPDX-License-Identifier: Apache-2.0
#include "telemetry/log_file.h"

#include <fstream>
#include <string>

#include "support/folder_test.h"

namespace ebb::telemetry {
namespace {

using LogFileTest = test::FolderTest;

TEST_F(LogFileTest, RemovesTheStepsThatWillBeWrittenAgain) {
  put("log", "{\"step\":0}\n{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n");
  drop_lines_from(folder_ / "log", 2);
  EXPECT_EQ(contents("log"), "{\"step\":0}\n{\"step\":1}\n");
  drop_lines_from(folder_ / "log", 0);
  EXPECT_EQ(contents("log"), "");
}

TEST_F(LogFileTest, KeepsTheEvaluationAfterTheStepsDone) {
  put("log", "{\"step\":1}\n{\"step\":2,\"eval\":{}}\n{\"step\":2}\n{\"step\":4,\"eval\":{}}\n");
  drop_lines_from(folder_ / "log", 2);
  EXPECT_EQ(contents("log"), "{\"step\":1}\n{\"step\":2,\"eval\":{}}\n");
}

TEST_F(LogFileTest, RemovesATruncatedLastLine) {
  put("log", "{\"step\":0}\n{\"step\":1");
  drop_lines_from(folder_ / "log", 5);
  EXPECT_EQ(contents("log"), "{\"step\":0}\n");
}

TEST_F(LogFileTest, KeepsLinesWithoutAStep) {
  put("log", "{\"schema\":1}\nnot json\n[1]\n{\"step\":\"x\"}\n{\"step\":7}\n");
  drop_lines_from(folder_ / "log", 7);
  EXPECT_EQ(contents("log"), "{\"schema\":1}\nnot json\n[1]\n{\"step\":\"x\"}\n");
}

TEST_F(LogFileTest, LinesOfAnyLengthAreReadAcrossBlocks) {
  const auto line = [](int step, std::size_t length) {
    return "{\"step\":" + std::to_string(step) + ",\"text\":\"" + std::string(length, 'x') + "\"}\n";
  };
  const std::string kept = line(0, 10) + line(1, 200'000) + line(2, 65'500);
  put("log", kept + line(3, 70'000) + line(4, 1) + line(5, 300'000));
  drop_lines_from(folder_ / "log", 3);
  EXPECT_EQ(contents("log"), kept);
}

// In one pass, and without holding them. Lines above a MiB have no step.
TEST_F(LogFileTest, LinesThatEbbDoesNotWriteAreSkipped) {
  constexpr std::int64_t kHole = std::int64_t{256} << 20;
  const std::string before = "{\"step\":1}\n";
  put("log", before);
  std::filesystem::resize_file(folder_ / "log", kHole);
  drop_lines_from(folder_ / "log", 2);
  EXPECT_EQ(contents("log"), before) << "an incomplete line goes, whatever its length";

  const std::string line = "{\"step\":1,\"text\":\"" + std::string(2 << 20, 'x') + "\"}\n";
  put("log", before + line);
  drop_lines_from(folder_ / "log", 0);
  EXPECT_EQ(contents("log"), "");
  put("log", line + "{\"step\":2}\n");
  drop_lines_from(folder_ / "log", 0);
  EXPECT_EQ(contents("log"), line);
  const std::string longest = "{\"step\":1,\"text\":\"" + std::string((1 << 20) - 20, 'x') + "\"}\n";
  ASSERT_EQ(std::ssize(longest), kLongestLogLine + 1);
  put("log", longest + "{\"step\":2}\n");
  drop_lines_from(folder_ / "log", 0);
  EXPECT_EQ(contents("log"), "");
}

// The first TiB of this file is a hole, which nobody could read in the time of a test.
TEST_F(LogFileTest, ReadsOnlyTheEnd) {
  constexpr std::int64_t kHole = std::int64_t{1} << 40;
  put("log", "");
  std::error_code error;
  std::filesystem::resize_file(folder_ / "log", kHole, error);
  if (error) GTEST_SKIP() << "the file system allows no file of 1 TiB: " << error.message();
  const std::string stays = "\n{\"step\":1}\n";
  std::ofstream(folder_ / "log", std::ios::app) << stays << "{\"step\":2}\n{\"step\":3";
  drop_lines_from(folder_ / "log", 2);
  EXPECT_EQ(static_cast<std::int64_t>(std::filesystem::file_size(folder_ / "log")),
            kHole + std::ssize(stays));
}

TEST_F(LogFileTest, DoesNotTouchAFileWithoutChanges) {
  put("log", "{\"step\":0}\n");
  std::filesystem::permissions(folder_ / "log", std::filesystem::perms::owner_read);
  const auto changed = std::filesystem::last_write_time(folder_ / "log");
  drop_lines_from(folder_ / "log", 1);
  EXPECT_EQ(std::filesystem::last_write_time(folder_ / "log"), changed);
  drop_lines_from(folder_ / "none", 1);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none"));
}

}  // namespace
}  // namespace ebb::telemetry
