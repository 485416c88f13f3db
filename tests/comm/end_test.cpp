// SPDX-License-Identifier: Apache-2.0
// The exit status of mpirun, which a scheduler sees, for runs of two ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/error.h"
#include "support/process.h"

namespace ebb::test {
namespace {

using testing::HasSubstr;

ProcessResult end_with(const std::string& how) {
  const char* const helper = std::getenv("EBB_COMM_END_HELPER");
  if (helper == nullptr)
    throw std::runtime_error("EBB_COMM_END_HELPER is not set: start the test through ctest");
  return run(mpirun(2, {helper, how}));
}

TEST(End, MpirunReturnsTheCodeOfEndAll) {
  const ProcessResult result = end_with("end_all");
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.exit_code, static_cast<int>(ExitCode::numerics)) << result.err;
}

// MPI_Finalize would never return after a rank has left.
TEST(End, AFailedAgreementEndsWithTheCommunicationCode) {
  const ProcessResult result = end_with("give_up");
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.exit_code, static_cast<int>(ExitCode::communication)) << result.err;
  EXPECT_THAT(result.out, HasSubstr("rank 1 ("));
  EXPECT_THAT(result.out, HasSubstr("has not started it"));
}

TEST(End, RanksCanEndAfterACommunicatorBroke) {
  const ProcessResult result = end_with("leave_broken");
  EXPECT_FALSE(result.timed_out);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("has not started it"));
}

}  // namespace
}  // namespace ebb::test
