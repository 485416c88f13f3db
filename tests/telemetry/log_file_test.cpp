// SPDX-License-Identifier: Apache-2.0
#include "telemetry/log_file.h"

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

TEST_F(LogFileTest, DoesNotRewriteAFileWithoutChanges) {
  put("log", "{\"step\":0}\n");
  const auto links = std::filesystem::hard_link_count(folder_ / "log");
  std::filesystem::create_hard_link(folder_ / "log", folder_ / "same");
  drop_lines_from(folder_ / "log", 1);
  EXPECT_EQ(std::filesystem::hard_link_count(folder_ / "log"), links + 1);
  drop_lines_from(folder_ / "none", 1);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "none"));
}

}  // namespace
}  // namespace ebb::telemetry
