// SPDX-License-Identifier: Apache-2.0
#include "comm/affinity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "comm/world_under_test.h"

namespace ebb::comm {
namespace {

using testing::HasSubstr;
constexpr double kAgreementTimeout_s = 60;

// A test may bind this process. The destructor restores its mask.
class AffinityTest : public testing::Test {
 protected:
  AffinityTest() {
    sched_getaffinity(0, sizeof before_, &before_);
    for (int core = 0; core < CPU_SETSIZE; ++core)
      if (CPU_ISSET(core, &before_)) cores_.push_back(core);
  }
  ~AffinityTest() override { sched_setaffinity(0, sizeof before_, &before_); }
  void bind_to_one(std::size_t which) { ASSERT_TRUE(bind_to_cores({cores_[which % cores_.size()]})); }
  cpu_set_t before_{};
  std::vector<int> cores_;
};

TEST_F(AffinityTest, CountsTheCoresOfTheMask) {
  EXPECT_EQ(measure_affinity().mask_cores, static_cast<std::int64_t>(cores_.size()));
  EXPECT_GE(measure_affinity().host_cores, 1);
  bind_to_one(0);
  EXPECT_EQ(measure_affinity().mask_cores, 1);
}

TEST_F(AffinityTest, RanksShareTheirCoresEvenly) {
  const auto fair = std::max<std::int64_t>(1, static_cast<std::int64_t>(cores_.size()) / world->local_size());
  EXPECT_EQ(cpu_share(*world, kAgreementTimeout_s).threads, fair);
}

TEST_F(AffinityTest, EachRankGetsItsOwnCores) {
  const std::vector<int> mine = cpu_share(*world, kAgreementTimeout_s).cores;
  const std::size_t ranks = static_cast<std::size_t>(world->local_size());
  if (ranks == 1 || cores_.size() < ranks) {
    EXPECT_TRUE(mine.empty());
    return;
  }
  EXPECT_EQ(mine.size(), cores_.size() / ranks);
  std::string text;
  for (const int core : mine) text += std::to_string(core) + " ";
  std::vector<int> all;
  for (const std::string& other : world->gather_to_all(text, kAgreementTimeout_s)) {
    std::istringstream in(other);
    for (int core = 0; in >> core;) all.push_back(core);
  }
  std::ranges::sort(all);
  EXPECT_EQ(std::ranges::adjacent_find(all), all.end()) << "two ranks got the same core";
  ASSERT_TRUE(bind_to_cores(mine));
  EXPECT_EQ(measure_affinity().mask_cores, static_cast<std::int64_t>(mine.size()));
}

TEST_F(AffinityTest, RanksThatAreAlreadyBoundGetNoCores) {
  bind_to_one(static_cast<std::size_t>(world->local_rank()));
  EXPECT_TRUE(cpu_share(*world, kAgreementTimeout_s).cores.empty());
}

TEST_F(AffinityTest, ABoundRankGetsNoMoreThreadsThanItsMask) {
  bind_to_one(static_cast<std::size_t>(world->local_rank()));
  EXPECT_EQ(cpu_share(*world, kAgreementTimeout_s).threads, 1);
}

TEST_F(AffinityTest, ABoundRankDoesNotReduceTheShareOfTheOthers) {
  if (world->rank() == 0) bind_to_one(0);
  const auto fair = std::max<std::int64_t>(1, static_cast<std::int64_t>(cores_.size()) / world->local_size());
  EXPECT_EQ(cpu_share(*world, kAgreementTimeout_s).threads, world->rank() == 0 ? 1 : fair);
}

TEST_F(AffinityTest, WarnsOfMoreThreadsThanCoresInTheMask) {
  bind_to_one(0);
  EXPECT_EQ(binding_warning(1), "");
  EXPECT_THAT(binding_warning(2), HasSubstr("2 threads share the 1 of "));
  EXPECT_THAT(binding_warning(2), HasSubstr("--bind-to none"));
}

}  // namespace
}  // namespace ebb::comm
