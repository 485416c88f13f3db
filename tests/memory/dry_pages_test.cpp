// SPDX-License-Identifier: Apache-2.0
#include "memory/dry_pages.h"

#include <gtest/gtest.h>

namespace ebb::memory {
namespace {

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;

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
  DryPages pages;
  pages.cache().set_limit(0);
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

// The cache decides by sizes alone, so it maps as much as with real memory.
TEST(DryPages, ItsCacheMapsAsMuchAsThatOfAProgram) {
  DryPages pages;
  BlockCache real;
  for (int step = 0; step < 100; ++step) {
    for (std::size_t i = 1; i < 40; ++i) {
      const std::size_t bytes = (i * 7919 + static_cast<std::size_t>(step) * 131) % (4 * kMiB) + 64 * kKiB;
      void* const dry = pages.allocate(bytes);
      void* const block = real.allocate(bytes);
      pages.deallocate(dry, bytes);
      real.deallocate(block, bytes);
    }
    pages.cache().end_step(), real.end_step();
    ASSERT_EQ(pages.cache().kept_bytes(), real.kept_bytes()) << step;
    ASSERT_EQ(pages.cache().most_mapped_bytes(), real.most_mapped_bytes()) << step;
  }
}

}  // namespace
}  // namespace ebb::memory
