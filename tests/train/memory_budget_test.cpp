// SPDX-License-Identifier: Apache-2.0
#include "train/memory_budget.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <vector>

#include "base/error.h"
#include "memory/cpu_allocator.h"
#include "train/memory_changes.h"

namespace ebb::train {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr memory::ProcessMemory kProcess{20 * kMiB, 100 * kMiB};

TEST(RankBudget, AutoIsTheShareOfTheGroupWithoutAFiftieth) {
  const auto budget = rank_budget({}, 4, kProcess, 1000 * kMiB);
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->bytes, 245 * kMiB);
  EXPECT_EQ(budget->source, "the limit of 1000.0 MiB of the control group");
  EXPECT_FALSE(budget->is_of_each_rank);
}

TEST(RankBudget, AutoIsNoneWithoutALimitOrWithAWarning) {
  EXPECT_FALSE(rank_budget({}, 4, kProcess, -1));
  memory::MemoryConfig warn;
  warn.check = memory::MemoryCheck::warn;
  EXPECT_FALSE(rank_budget(warn, 4, kProcess, 1100 * kMiB));
}

TEST(RankBudget, AGivenBudgetIsThatOfEachRankWithItsLibraries) {
  memory::MemoryConfig config;
  config.budget = 512 * kMiB;
  config.check = memory::MemoryCheck::warn;
  const auto budget = rank_budget(config, 4, kProcess, 100 * kMiB);
  ASSERT_TRUE(budget);
  EXPECT_EQ(budget->bytes, 412 * kMiB);
  EXPECT_TRUE(budget->is_of_each_rank);
  config.budget = kMiB;  // less than the libraries
  EXPECT_EQ(rank_budget(config, 4, kProcess, -1)->bytes, 0);
}

TEST(AvailableToRun, IsTheSmallerOfHostAndBudgets) {
  const RankBudget budget{300 * kMiB, "memory.budget is 400.0 MiB", true};
  const memory::AvailableMemory host{1000 * kMiB, memory::kFreeMemory};
  EXPECT_EQ(available_to_run(host, budget, 2).bytes, 600 * kMiB);
  EXPECT_TRUE(available_to_run(host, budget, 2).is_of_each_rank);
  EXPECT_EQ(available_to_run(host, budget, 4).bytes, 1000 * kMiB);
  EXPECT_EQ(available_to_run(host, budget, 4).limit, memory::kFreeMemory);
  EXPECT_EQ(available_to_run({}, budget, 2).bytes, 600 * kMiB);
  EXPECT_EQ(available_to_run({}, {}, 2).bytes, -1);
  EXPECT_EQ(available_to_run(host, RankBudget{0, "", true}, 2).bytes, 0) << "nothing fits, and that is known";
}

// What the process holds beside its tensors is measured again, so a growth of malloc leaves less for them.
TEST(MemoryBudget, HoldsUntilItIsDestroyedAndFollowsOtherMemory) {
  static auto* const ledger = new memory::Ledger;
  static auto* const cache = new memory::BlockCache;
  memory::install(*ledger, cache);
  const std::int64_t own = memory::measure_process_memory().anonymous;
  const RankBudget limit{own + 256 * kMiB, "memory.budget is 1.0 GiB", true};
  const auto bytes = [](std::int64_t count) { return at::empty({count}, at::kByte); };
  {
    MemoryBudget budget(limit, own, *ledger, *cache);
    EXPECT_EQ(bytes(200 * kMiB).numel(), 200 * kMiB);
    EXPECT_THROW(bytes(300 * kMiB), Error);
    std::vector<char> other(static_cast<std::size_t>(128 * kMiB), 1);
    budget.end_step();
    EXPECT_THROW(bytes(200 * kMiB), Error) << other.size();
    EXPECT_EQ(bytes(100 * kMiB).numel(), 100 * kMiB);
  }
  EXPECT_EQ(bytes(300 * kMiB).numel(), 300 * kMiB);
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
