// SPDX-License-Identifier: Apache-2.0
#include "launch/stored_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/error.h"
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
  ASSERT_TRUE(read_verdict(folder_));
  EXPECT_EQ(read_verdict(folder_)->message, "folder \\xff");
  ASSERT_TRUE(write_termination_message(folder_ / "message", "b\x1b[31m"));
  EXPECT_EQ(contents("message"), "b\\x1b[31m\n");
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

TEST_F(StoredVerdicts, ATerminationMessageReplacesNoOtherText) {
  const auto path = folder_ / "message";
  EXPECT_NO_THROW(require_termination_file(path));
  std::ofstream(path) << "";  // as Kubernetes makes it
  EXPECT_NO_THROW(require_termination_file(path));
  ASSERT_TRUE(write_termination_message(path, describe_end(ExitCode::ok, {})));
  EXPECT_NO_THROW(require_termination_file(path));
  std::ofstream(path) << "# My notes\n";
  for (const auto& [file, reason] :
       {std::pair{path, "the file has another text"}, {folder_, "it is a folder"}}) {
    try {
      require_termination_file(file);
      ADD_FAILURE() << file;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ExitCode::usage);
      EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
    }
  }
  const std::string pipe = folder_ / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_FALSE(write_termination_message(pipe, "x")) << "nobody reads it";
}

}  // namespace
}  // namespace ebb::launch
