// SPDX-License-Identifier: Apache-2.0
#include "memory/growth_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "memory/buffer.h"
#include "memory/installed_ledger.h"
#include "memory/resident_pages.h"
#include "support/folder_test.h"

namespace ebb::memory {
namespace {

using testing::ContainsRegex;
using testing::HasSubstr;

constexpr std::int64_t kMiB = 1 << 20, kLimit = 16 * kMiB;

// The warnings of `steps` steps, with the memory that `at` gives for each.
std::vector<std::string> warnings(std::int64_t steps, const std::function<UntrackedMemory(std::int64_t)>& at,
                                  std::int64_t limit = kLimit) {
  GrowthWatch watch(limit);
  std::vector<std::string> all;
  for (std::int64_t step = 0; step < steps; ++step)
    if (watch.is_due(step))
      if (auto warning = watch.observe(step, at(step))) all.push_back(*warning);
  return all;
}

TEST(GrowthWatch, NamesASteadyGrowthWithItsRate) {
  const auto outside = [](std::int64_t step) { return UntrackedMemory{100 * kMiB + step * kMiB / 20, 0}; };
  const auto found = warnings(1300, outside);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_THAT(found[0], HasSubstr("step 1290: "));
  EXPECT_THAT(found[0], HasSubstr("memory outside of the ledger grows by 50.0 MiB in 1,000 steps"));
  EXPECT_THAT(found[0], HasSubstr("memory.growth is 16.0 MiB"));
  EXPECT_EQ(warnings(2290, outside).size(), 1U);
  EXPECT_EQ(warnings(2300, outside).size(), 2U) << "it comes again after as many windows";
  EXPECT_TRUE(warnings(3000, outside, 0).empty()) << "0: none";
  const auto kept = [](std::int64_t step) { return UntrackedMemory{100 * kMiB, step * kMiB / 20}; };
  EXPECT_THAT(warnings(1300, kept).at(0), HasSubstr("memory kept for later steps grows by 50.0 MiB"));
}

TEST(GrowthWatch, IsQuietWithoutOne) {
  const auto below = [](std::int64_t step) { return UntrackedMemory{step * kMiB / 80, 0}; };  // 12.5 MiB
  EXPECT_TRUE(warnings(5000, below).empty());
  const auto noise = [](std::int64_t step) { return UntrackedMemory{(step * 7919 % 97) * kMiB, 0}; };
  EXPECT_TRUE(warnings(5000, noise).empty());
  const auto evaluations = [](std::int64_t step) {
    return UntrackedMemory{step % 100 == 90 ? 500 * kMiB : 100 * kMiB, 0};
  };
  EXPECT_TRUE(warnings(5000, evaluations).empty());
  const auto jump = [](std::int64_t step) {
    return UntrackedMemory{step < 800 ? 100 * kMiB : 400 * kMiB, 0};
  };
  EXPECT_TRUE(warnings(5000, jump).empty());
  const auto start = [](std::int64_t step) {
    return UntrackedMemory{std::min<std::int64_t>(step, 300) * kMiB, 0};
  };
  EXPECT_TRUE(warnings(5000, start).empty());
  EXPECT_TRUE(warnings(5000, [](std::int64_t) { return UntrackedMemory{-1, -1}; }).empty()) << "unknown";
}

// Memory of malloc that nothing frees, and tensors that the ledger counts beside it.
TEST(GrowthWatch, FindsALeakOfMallocByTheKernelsCounts) {
  EBB_NEEDS_OWN_RESIDENT_PAGES();
  Ledger& ledger = the_test_ledger();
  const BlockCache cache;
  GrowthWatch watch(kLimit);
  std::vector<std::unique_ptr<std::vector<char>>> leaked;
  std::vector<Buffer> counted;
  std::optional<std::string> warning;
  for (std::int64_t step = 0; step < 1300 && !warning; ++step) {
    leaked.push_back(std::make_unique<std::vector<char>>(60'000, 'x'));
    counted.emplace_back(30'000, Class::data, "counted");
    std::fill_n(counted.back().data(), 30'000, std::byte{1});
    if (watch.is_due(step)) warning = watch.observe(step, measure_untracked_memory(ledger, cache));
  }
  ASSERT_TRUE(warning);  // a sanitizer has a heap of its own, with more around each block
  EXPECT_THAT(*warning, ContainsRegex("ledger grows by (5[5-9]|[67][0-9])\\.[0-9] MiB in 1,000 steps"));
  EXPECT_THAT(*warning, ContainsRegex("since step 390: heap \\+[0-9.]+ [MB].*, other maps \\+"));
}

class MappedMemoryTest : public test::FolderTest {};

TEST_F(MappedMemoryTest, AddsUpTheResidentBytesOfEachKind) {
  put("smaps",
      "55d0c0000000-55d0c0021000 rw-p 00000000 00:00 0                          [heap]\nSize:  132 kB\nRss:  "
      " 100 kB\n"
      "7f12a0000000-7f12a0021000 rw-p 00000000 00:00 0 \nRss:                 20 kB\nPss: 7 kB\n"
      "ab12a0000000-ab12a0021000 rw-p 00000000 00:00 0 \nRss:                  3 kB\n"
      "7f12b0000000-7f12b0021000 r-xp 00000000 08:01 42                 /usr/lib/libc.so.6\nRss: 4 kB\n"
      "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]\nRss: 5 kB\nVmFlags: rd\n");
  put("status", "Name:\tebb\nThreads:\t7\n");
  const MappedMemory found = measure_mapped_memory(folder_);
  EXPECT_EQ(found.heap, 100 << 10);
  EXPECT_EQ(found.maps, 28 << 10);
  EXPECT_EQ(found.files, 4 << 10);
  EXPECT_EQ(found.threads, 7);
}

}  // namespace
}  // namespace ebb::memory
