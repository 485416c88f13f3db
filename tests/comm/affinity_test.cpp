#include "comm/affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <vector>

#include "comm/world_under_test.h"

namespace ebb::comm {
namespace {

using testing::HasSubstr;
constexpr double kPatience_s = 60;

// Every test may bind this process; it is set free again.
class AffinityTest : public testing::Test {
 protected:
  AffinityTest() {
    sched_getaffinity(0, sizeof before_, &before_);
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &before_)) cores_.push_back(core);
  }
  ~AffinityTest() override { sched_setaffinity(0, sizeof before_, &before_); }
  void bind_to(std::size_t which) {
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(cores_[which % cores_.size()], &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  }
  cpu_set_t before_{};
  std::vector<int> cores_;
};

TEST_F(AffinityTest, CountsTheCoresOfTheMask) {
  EXPECT_EQ(measure_affinity().mask_cores, static_cast<std::int64_t>(cores_.size()));
  EXPECT_GE(measure_affinity().host_cores, 1);
  bind_to(0);
  EXPECT_EQ(measure_affinity().mask_cores, 1);
}

TEST_F(AffinityTest, RanksShareTheCoresThatTheyMayAllUse) {
  const auto fair = std::max<std::int64_t>(1, static_cast<std::int64_t>(cores_.size()) / world->local_size());
  EXPECT_EQ(suggested_threads(*world, kPatience_s), fair);
}

TEST_F(AffinityTest, ABoundRankGetsNoMoreThreadsThanItsMask) {
  bind_to(static_cast<std::size_t>(world->local_rank()));
  EXPECT_EQ(suggested_threads(*world, kPatience_s), 1);
}

TEST_F(AffinityTest, OneBoundRankLeavesTheOthersTheirShare) {
  if (world->rank() == 0) bind_to(0);
  const auto fair = std::max<std::int64_t>(1, static_cast<std::int64_t>(cores_.size()) / world->local_size());
  EXPECT_EQ(suggested_threads(*world, kPatience_s), world->rank() == 0 ? 1 : fair);
}

TEST_F(AffinityTest, MoreThreadsThanTheMaskLetsRunAreWarnedOf) {
  bind_to(0);
  EXPECT_EQ(binding_warning(1), "");
  EXPECT_THAT(binding_warning(2), HasSubstr("2 threads share the 1 of "));
  EXPECT_THAT(binding_warning(2), HasSubstr("--bind-to none"));
}

}  // namespace
}  // namespace ebb::comm
