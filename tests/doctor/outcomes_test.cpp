// SPDX-License-Identifier: Apache-2.0
#include "doctor/outcomes.h"

#include <gmock/gmock.h>

#include "doctor/shared_folder.h"
#include "support/folder_test.h"

namespace ebb::doctor {
namespace {

using ::testing::HasSubstr;

TEST(Outcomes, SurviveText) {
  const Outcome sent{3, "node-b", 8, "cannot write \xff", "x", 0.25};
  const Outcome got = Outcome::parse(sent.to_text());
  EXPECT_EQ(got.rank, 3);
  EXPECT_EQ(got.host, "node-b");
  EXPECT_EQ(got.code, 8);
  EXPECT_EQ(got.seconds, 0.25);
  EXPECT_THAT(got.message, HasSubstr("cannot write"));
}

TEST(Outcomes, SummarizeToOkIfAllSucceeded) {
  const Check check = summarize("data", {{0, "a", 0, "", "", 1}, {1, "b", 0, "", "", 1}}, "it opens");
  EXPECT_EQ(check.health, Health::ok);
  EXPECT_EQ(check.found, "it opens");
}

TEST(Outcomes, SummarizeToTheFirstFailureAndACount) {
  const Check check = summarize("data",
                                {{0, "a", 0, "", "", 1},
                                 {1, "b", 3, "damaged\n  pack it anew", "", 1},
                                 {2, "c", 8, "gone", "", 1},
                                 {3, "c", 8, "gone", "", 1}},
                                "it opens");
  EXPECT_EQ(check.health, Health::fail);
  EXPECT_EQ(check.code, ExitCode::data);
  EXPECT_EQ(check.found, "rank 1 on b: damaged (and 2 other ranks)");
  EXPECT_EQ(check.to_do, "pack it anew");
}

class SharedFolder : public test::FolderTest {};

TEST_F(SharedFolder, IsSharedIfEachRankSeesAllFiles) {
  {
    SharedFolderProbe zero(folder_ / "run", "word", 0), one(folder_ / "run", "word", 1);
    zero.write(3 << 20);
    one.write(10);
    EXPECT_EQ(std::filesystem::file_size(folder_ / "run" / ".preflight-word-00000"), 3U << 20);
    EXPECT_NO_THROW(zero.wait_for_all(2, 0));
    EXPECT_NO_THROW(one.wait_for_all(2, 0));
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_ / "run"));
}

TEST_F(SharedFolder, IsNotSharedIfOneFileIsMissing) {
  SharedFolderProbe zero(folder_ / "a", "word", 0), one(folder_ / "b", "word", 1);
  zero.write(1);
  one.write(1);
  try {
    zero.wait_for_all(2, 0.1);
    ADD_FAILURE() << "rank 1 wrote elsewhere";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::storage);
    EXPECT_THAT(error.what(), HasSubstr("what rank 1 has written"));
  }
}

}  // namespace
}  // namespace ebb::doctor
