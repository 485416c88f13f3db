// SPDX-License-Identifier: Apache-2.0
#include "memory/block_cache.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "memory/sizes.h"

namespace ebb::memory {
namespace {

constexpr std::size_t kLarge = 32 * kMiB;  // enough blocks that an eighth of them exceeds the minimum slack

bool is_mapped(void* block) {
  unsigned char page = 0;
  return mincore(block, 1, &page) == 0;
}

TEST(BlockCache, GivesABlockOfTheSameSizeAgain) {
  BlockCache cache;
  void* const first = cache.allocate(3 * kMiB);
  std::memset(first, 7, 3 * kMiB);
  EXPECT_EQ(cache.in_use_bytes(), 3 * kMiB);
  cache.deallocate(first, 3 * kMiB);
  EXPECT_EQ(cache.kept_bytes(), 3 * kMiB);
  EXPECT_EQ(cache.allocate(3 * kMiB - 5000), first);
  EXPECT_EQ(cache.kept_bytes(), 0);
  cache.deallocate(first, 3 * kMiB - 5000);
}

TEST(BlockCache, RoundsUpByAnEighthAtMost) {
  BlockCache cache;
  std::mt19937_64 random(1);
  for (int i = 0; i < 2000; ++i) {
    const std::size_t bytes = BlockCache::kSmallest + random() % (std::size_t{1} << (17 + i % 14));
    void* const block = cache.allocate(bytes);
    ASSERT_NE(block, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(block) % 4096, 0U);
    const auto rounded = static_cast<std::size_t>(cache.in_use_bytes());
    EXPECT_GE(rounded, bytes);
    EXPECT_LE(rounded, bytes + bytes / 8 + 1) << bytes;
    cache.deallocate(block, bytes);
    EXPECT_EQ(cache.in_use_bytes(), 0);
  }
}

TEST(BlockCache, KeepsNoMoreThanAnEighthAboveTheMaximumUse) {
  BlockCache cache;
  for (std::size_t size = 1; size <= 64; ++size) {  // one after the other: never more than 64 MiB at once
    void* const block = cache.allocate(size * kMiB);
    EXPECT_LE(cache.in_use_bytes() + cache.kept_bytes(), static_cast<std::int64_t>(72 * kMiB)) << size;
    cache.deallocate(block, size * kMiB);
  }
}

TEST(BlockCache, TemporaryUseLeavesTheKeptBlocksAsTheyWere) {
  BlockCache cache;
  std::vector<void*> step_blocks;
  for (int i = 0; i < 4; ++i) step_blocks.push_back(cache.allocate(2 * kLarge));
  for (void* block : step_blocks) cache.deallocate(block, 2 * kLarge);
  cache.begin_temporary_use();
  void* const same = cache.allocate(2 * kLarge);
  void* const other = cache.allocate(5 * kLarge);
  EXPECT_EQ(cache.kept_bytes(), 6 * kLarge);  // no block was unmapped for it
  cache.deallocate(other, 5 * kLarge);
  EXPECT_EQ(cache.allocate(5 * kLarge), other);  // within temporary use, blocks are kept too
  cache.deallocate(other, 5 * kLarge);
  cache.deallocate(same, 2 * kLarge);
  cache.end_temporary_use();
  EXPECT_EQ(cache.kept_bytes(), 8 * kLarge);
  EXPECT_FALSE(is_mapped(other));
  for (void* block : step_blocks) EXPECT_TRUE(is_mapped(block));
  // Its maximum does not count for steps: theirs was 8 MiB.
  void* const nine = cache.allocate(9 * kLarge);
  EXPECT_LE(cache.in_use_bytes() + cache.kept_bytes(),
            static_cast<std::int64_t>(9 * kLarge + 9 * kLarge / 8));
  cache.deallocate(nine, 9 * kLarge);
}

TEST(BlockCache, KeptBytesStayWithinTheLimit) {
  BlockCache cache;
  cache.set_limit(2 * kMiB);
  std::vector<void*> blocks(4);
  for (void*& block : blocks) block = cache.allocate(kMiB);
  for (void* block : blocks) cache.deallocate(block, kMiB);
  EXPECT_EQ(cache.kept_bytes(), 2 * kMiB);
  EXPECT_FALSE(is_mapped(blocks[0])) << "the least recently used one is unmapped first";
  EXPECT_TRUE(is_mapped(blocks[3]));
  cache.set_limit(0);
  EXPECT_EQ(cache.kept_bytes(), 0);
  void* const last = cache.allocate(kMiB);
  cache.deallocate(last, kMiB);
  EXPECT_FALSE(is_mapped(last));
}

TEST(BlockCache, UnmapsBlocksThatNoRecentStepUsed) {
  BlockCache cache;
  void* const once = cache.allocate(8 * kMiB);
  cache.deallocate(once, 8 * kMiB);
  for (int step = 0; step < 96; ++step) {
    void* const block = cache.allocate(kMiB);
    cache.deallocate(block, kMiB);
    cache.end_step();
  }
  EXPECT_EQ(cache.kept_bytes(), kMiB);
  EXPECT_FALSE(is_mapped(once));
}

TEST(BlockCache, KeepsSixteenMiBMoreWhereAnEighthIsLess) {
  BlockCache cache;
  for (std::size_t size = 1; size <= 16; ++size) {  // 136 MiB, never more than 16 at once
    void* const block = cache.allocate(size * kMiB);
    EXPECT_LE(cache.in_use_bytes() + cache.kept_bytes(), static_cast<std::int64_t>((size + 16) * kMiB))
        << size;
    cache.deallocate(block, size * kMiB);
  }
  EXPECT_GT(cache.kept_bytes(), static_cast<std::int64_t>(16 * kMiB));
}

TEST(BlockCache, ClassesUsedInTurnKeepNoMoreThanTheirMaximumTogether) {
  BlockCache cache;
  std::vector<void*> blocks;
  for (std::size_t i = 8; i < 16; ++i)
    blocks.push_back(cache.allocate(i * kLarge));  // all at once, in the first step alone
  for (std::size_t i = 8; i < 16; ++i) cache.deallocate(blocks[i - 8], i * kLarge);
  for (int step = 0; step < 200; ++step) {
    for (std::size_t i = 8; i < 16; ++i) cache.deallocate(cache.allocate(i * kLarge), i * kLarge);
    cache.end_step();
  }
  EXPECT_LE(cache.kept_bytes(), static_cast<std::int64_t>(15 * kLarge * 9 / 8));
}

TEST(BlockCache, StepsThatRepeatKeepTheSameBlocks) {
  BlockCache cache;
  std::int64_t kept = 0;
  for (int step = 0; step < 200; ++step) {
    std::vector<std::pair<void*, std::size_t>> blocks;
    for (std::size_t i = 1; i <= 9; ++i) blocks.emplace_back(cache.allocate(i * 100 * kKiB), i * 100 * kKiB);
    for (const auto& [block, bytes] : blocks) cache.deallocate(block, bytes);
    cache.end_step();
    if (step == 0) kept = cache.kept_bytes();
    EXPECT_EQ(cache.kept_bytes(), kept) << step;
  }
}

TEST(BlockCache, RefusesASizeThatTheKernelRefuses) {
  BlockCache cache;
  void* const kept = cache.allocate(kMiB);
  cache.deallocate(kept, kMiB);
  EXPECT_EQ(cache.allocate(std::size_t{1} << 50), nullptr);
  EXPECT_EQ(cache.kept_bytes(), 0) << "it unmapped all kept blocks before it failed";
  EXPECT_EQ(cache.allocate(std::size_t{1} << 63), nullptr);
  EXPECT_EQ(cache.in_use_bytes(), 0);
}

TEST(BlockCache, ThreadsGetBlocksOfTheirOwn) {
  BlockCache cache;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&cache, t] {
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < 500; ++i) {
        const std::size_t bytes = 64 * kKiB * (1 + random() % 8);
        auto* const block = static_cast<unsigned char*>(cache.allocate(bytes));
        std::memset(block, t, bytes);
        std::this_thread::yield();
        for (std::size_t at = 0; at < bytes; at += 4096) ASSERT_EQ(block[at], t);
        cache.deallocate(block, bytes);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(cache.in_use_bytes(), 0);
}

}  // namespace
}  // namespace ebb::memory
