// SPDX-License-Identifier: Apache-2.0
#include "launch/stored_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "support/folder_test.h"

namespace ebb::launch {
namespace {

class StoredVerdicts : public test::FolderTest {};

TEST_F(StoredVerdicts, AreReadBackUnchanged) {
  const StoredVerdict stored{ExitCode::memory,     "no room", 3, "node-b", "2026-01-31T12:00:00Z",
                             {"7", "abc", "0.1.0"}};
  store_verdict(folder_ / "run", stored);
  const auto read = read_verdict(folder_ / "run");
  ASSERT_TRUE(read);
  EXPECT_EQ(read->code, ExitCode::memory);
  EXPECT_EQ(read->message, "no room");
  EXPECT_EQ(read->rank, 3);
  EXPECT_EQ(read->host, "node-b");
  EXPECT_EQ(read->time, stored.time);
  EXPECT_EQ(read->job, stored.job);
  remove_verdict(folder_ / "run");
  EXPECT_FALSE(read_verdict(folder_ / "run"));
}

TEST_F(StoredVerdicts, UnreadableFilesCountAsNone) {
  EXPECT_FALSE(read_verdict(folder_));
  for (const char* text : {"", "{", "[]", "{\"code\": \"x\"}", "{\"code\": 4}"}) {
    std::ofstream(folder_ / "verdict.json", std::ios::trunc) << text;
    EXPECT_FALSE(read_verdict(folder_)) << text;
  }
}

TEST_F(StoredVerdicts, RetryableCodesCountAsNone) {
  store_verdict(folder_, {ExitCode::communication, "lost", -1, "", "", {}});
  EXPECT_FALSE(read_verdict(folder_));
  for (const int code : {2, 3, 4, 6, 7}) EXPECT_TRUE(is_final(static_cast<ExitCode>(code))) << code;
  for (const int code : {0, 1, 5, 8, 75}) EXPECT_FALSE(is_final(static_cast<ExitCode>(code))) << code;
}

TEST_F(StoredVerdicts, HoldTextThatIsNotUtf8) {
  store_verdict(folder_, {ExitCode::data, "folder \xff", -1, "", "", {}});
  EXPECT_TRUE(read_verdict(folder_));
}

TEST_F(StoredVerdicts, TheTerminationMessageFitsAndIsWrittenInPlace) {
  const auto path = folder_ / "message";
  std::ofstream(path) << "what was there before";
  std::filesystem::create_hard_link(path, folder_ / "same");
  ASSERT_TRUE(
      write_termination_message(path, describe_end(ExitCode::memory, {1, "node-b", "no room\n  do this"})));
  EXPECT_EQ(contents("message"), "code 4 (memory), rank 1 on node-b: no room; do this\n");
  EXPECT_EQ(contents("same"), contents("message"))
      << "Kubernetes mounts this file and would not read a replacement";
  std::string long_text;
  while (long_text.size() < 5000) long_text += "\xc3\xa4";  // two bytes
  ASSERT_TRUE(write_termination_message(path, "x" + long_text));
  const std::string cut = contents("message");
  EXPECT_LE(cut.size(), 4096U);
  EXPECT_EQ(cut[cut.size() - 2], '\xa4') << "cut within a character";
  EXPECT_FALSE(write_termination_message(folder_ / "nowhere" / "message", "x"));
}

}  // namespace
}  // namespace ebb::launch
