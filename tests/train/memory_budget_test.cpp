// SPDX-License-Identifier: Apache-2.0
#include "train/memory_budget.h"

#include <gtest/gtest.h>

#include "train/memory_changes.h"

namespace ebb::train {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr memory::ProcessMemory kProcess{20 * kMiB, 100 * kMiB};

TEST(RankBudget, AutoIsTheShareOfTheGroup) {
  const auto budget = rank_budget({}, 4, kProcess, 1100 * kMiB);
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->bytes, 375 * kMiB) << "a quarter, and the pages of files, which the kernel can drop";
  EXPECT_EQ(budget->source, "the control group has 1.1 GiB for 4 ranks of this host");
}

TEST(RankBudget, AutoIsNoneWithoutALimitOrWithAWarning) {
  EXPECT_FALSE(rank_budget({}, 4, kProcess, -1));
  memory::MemoryConfig warn;
  warn.check = memory::MemoryCheck::warn;
  EXPECT_FALSE(rank_budget(warn, 4, kProcess, 1100 * kMiB));
}

TEST(RankBudget, AGivenBudgetIsThatOfEachRank) {
  memory::MemoryConfig config;
  config.budget = 512 * kMiB;
  config.check = memory::MemoryCheck::warn;
  EXPECT_EQ(rank_budget(config, 4, kProcess, 100 * kMiB)->bytes, 512 * kMiB);
}

struct Search {
  LargestValue found;
  int calls = 0;
};

// `each`: the need of one; `steps`: the need grows only at multiples of it.
Search search(std::int64_t start, std::int64_t room, std::int64_t each, std::int64_t steps = 1) {
  Search result;
  result.found =
      find_largest_value(start, 1 << 24, room, [&](std::int64_t value) -> std::optional<std::int64_t> {
        ++result.calls;
        return 1000 + each * (value / steps * steps);
      });
  return result;
}

TEST(LargestValue, IsTheLastThatFitsWhereverTheSearchStarts) {
  for (const std::int64_t start : {1, 5, 64, 700, 100000}) {
    const Search result = search(start, 1000 + 7 * 699 + 3, 7);
    EXPECT_EQ(result.found.value, 699) << start;
    EXPECT_TRUE(result.found.exact);
    EXPECT_LE(result.calls, 6) << start;
  }
}

TEST(LargestValue, IsZeroIfNotEvenOneFits) {
  EXPECT_EQ(search(32, 1000, 7).found.value, 0);
  EXPECT_TRUE(search(32, 1000, 7).found.exact);
}

TEST(LargestValue, StaysWithinItsCallsWhereTheNeedGrowsInSteps) {
  const Search result = search(3, 1000 + 7 * 5000, 7, 1000);
  EXPECT_LE(result.calls, 12);
  EXPECT_GE(result.found.value, 5000);
  EXPECT_LE(result.found.value, 5999);
}

TEST(LargestValue, AValueThatCannotBePlannedDoesNotFit) {
  const LargestValue found =
      find_largest_value(4, 1 << 24, 1 << 30, [](std::int64_t value) -> std::optional<std::int64_t> {
        if (value > 10) return std::nullopt;
        return value;
      });
  EXPECT_EQ(found.value, 10);
}

}  // namespace
}  // namespace ebb::train
