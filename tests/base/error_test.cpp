// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <gtest/gtest.h>

namespace ebb {
namespace {

TEST(Error, KeepsItsCodeAndMessage) {
  const Error error(ExitCode::data, "shard 3 is damaged");
  EXPECT_EQ(error.code(), ExitCode::data);
  EXPECT_STREQ(error.what(), "shard 3 is damaged");
}

TEST(Error, ListsItsCauses) {
  const Error disk(ExitCode::storage, "cannot write a.bin: No space left on device");
  const Error save(ExitCode::checkpoint, "cannot save step 500", disk);
  const Error run(ExitCode::checkpoint, "the run ends", save);
  EXPECT_STREQ(run.what(),
               "the run ends\n  because: cannot save step 500\n  because: cannot write a.bin: No space left "
               "on device");
  EXPECT_EQ(run.code(), ExitCode::checkpoint);
}

// Scripts and orchestrators read these numbers.
TEST(ExitCode, HasItsDocumentedNumbers) {
  EXPECT_EQ(static_cast<int>(ExitCode::usage), 2);
  EXPECT_EQ(static_cast<int>(ExitCode::data), 3);
  EXPECT_EQ(static_cast<int>(ExitCode::memory), 4);
  EXPECT_EQ(static_cast<int>(ExitCode::communication), 5);
  EXPECT_EQ(static_cast<int>(ExitCode::numerics), 6);
  EXPECT_EQ(static_cast<int>(ExitCode::checkpoint), 7);
  EXPECT_EQ(static_cast<int>(ExitCode::storage), 8);
  EXPECT_EQ(static_cast<int>(ExitCode::stopped), 75);
}

}  // namespace
}  // namespace ebb
