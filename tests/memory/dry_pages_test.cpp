// SPDX-License-Identifier: Apache-2.0
#include "memory/dry_pages.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

#include "memory/resident_pages.h"
#include "memory/sizes.h"

namespace ebb::memory {
namespace {

TEST(DryPages, ALargeBlockCountsInPagesAndStaysWhenItIsFreed) {
  DryPages pages;
  void* const block = pages.allocate(3 * kMiB + 1);
  EXPECT_EQ(pages.resident(), 3 * kMiB + 4096);
  pages.deallocate(block, 3 * kMiB + 1);
  EXPECT_EQ(pages.resident(), 3 * kMiB + 4096) << "the cache keeps it";
  pages.cache().release_kept();
  EXPECT_EQ(pages.resident(), 0);
  EXPECT_EQ(pages.peak_resident(), 3 * kMiB + 4096);
}

TEST(DryPages, ABlockThatIsUsedAgainHasThePagesOfItsLargestUse) {
  DryPages pages;
  pages.deallocate(pages.allocate(1000 * kKiB), 1000 * kKiB);
  void* const block = pages.allocate(1020 * kKiB);  // of the same size class
  EXPECT_EQ(pages.resident(), 1020 * kKiB);
  pages.deallocate(block, 1020 * kKiB);
  pages.deallocate(pages.allocate(990 * kKiB), 990 * kKiB);
  EXPECT_EQ(pages.resident(), 1020 * kKiB);
}

TEST(DryPages, WithoutACacheFreedBlocksAreGone) {
  DryPages pages(0);
  pages.deallocate(pages.allocate(kMiB), kMiB);
  EXPECT_EQ(pages.resident(), 0);
}

TEST(DryPages, ASmallBlockCountsWhileItLives) {
  DryPages pages;
  void* const block = pages.allocate(100);
  EXPECT_EQ(pages.resident(), 100);
  pages.deallocate(block, 100);
  EXPECT_EQ(pages.resident(), 0);
}

// Interleaved blocks of changing sizes, in a program whose blocks have memory.
TEST(DryPages, ItsPagesAreThoseThatAProgramWrites) {
  EBB_NEEDS_OWN_RESIDENT_PAGES();
  DryPages pages;
  BlockCache real;
  std::vector<std::pair<void*, void*>> blocks(24);
  std::vector<std::size_t> sizes(blocks.size());
  const auto resident = [] {
    std::ifstream in("/proc/self/statm");
    std::int64_t all = 0, here = 0;
    in >> all >> here;
    return here * 4096;
  };
  const std::int64_t before = resident();
  for (int step = 0; step < 60; ++step) {
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      auto& [dry, block] = blocks[i];
      if (block != nullptr) {
        pages.deallocate(dry, sizes[i]);
        real.deallocate(block, sizes[i]);
      }
      sizes[i] = (i * 7919 + static_cast<std::size_t>(step) * 104729) % (4 * kMiB) + 64 * kKiB;
      dry = pages.allocate(sizes[i]);
      block = real.allocate(sizes[i]);
      std::memset(block, 1, sizes[i]);
    }
    pages.cache().end_step(), real.end_step();
    ASSERT_EQ(pages.resident(), real.resident_bytes()) << step;
  }
  EXPECT_NEAR(static_cast<double>(resident() - before), static_cast<double>(pages.resident()), 2.0 * kMiB);
  EXPECT_EQ(pages.cache().overhead_bytes(), real.overhead_bytes());
  EXPECT_GT(real.overhead_bytes(), 0);
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    pages.deallocate(blocks[i].first, sizes[i]);
    real.deallocate(blocks[i].second, sizes[i]);
  }
}

TEST(BlockCacheLimit, KeptBlocksMakeRoomBeforeABlockIsRefused) {
  BlockCache cache;
  void* const kept = cache.allocate(3 * kMiB);
  cache.deallocate(kept, 3 * kMiB);
  EXPECT_EQ(cache.resident_bytes(), 3 * kMiB);
  EXPECT_EQ(cache.allocate(3 * kMiB, 3 * kMiB), kept) << "a block that is used again needs no more";
  EXPECT_EQ(cache.allocate(kMiB, 3 * kMiB), nullptr);
  cache.deallocate(kept, 3 * kMiB);
  void* const other = cache.allocate(kMiB, 3 * kMiB);
  EXPECT_NE(other, nullptr);
  EXPECT_EQ(cache.resident_bytes(), kMiB) << "the kept block is gone";
  EXPECT_EQ(cache.requested_bytes(), kMiB);
  cache.deallocate(other, kMiB);
}

}  // namespace
}  // namespace ebb::memory
