// SPDX-License-Identifier: Apache-2.0
#include "memory/dry_cuda_allocator.h"

#include <gtest/gtest.h>

#include <vector>

#include "memory/sizes.h"

namespace ebb::memory {
namespace {

TEST(DryCudaAllocator, SmallBlocksShareSegmentsOfTwoMebibytes) {
  DryCudaAllocator memory;
  std::vector<void*> blocks = {memory.allocate(1), memory.allocate(513), memory.allocate(kMiB)};
  EXPECT_EQ(memory.allocated(), 512 + 1024 + kMiB);
  EXPECT_EQ(memory.reserved(), 2 * kMiB);
  blocks.push_back(memory.allocate(kMiB));  // 1536 bytes of the segment are taken
  EXPECT_EQ(memory.reserved(), 4 * kMiB);
  for (void* const block : blocks) memory.deallocate(block, 0);
  EXPECT_EQ(memory.allocated(), 0);
  EXPECT_EQ(memory.reserved(), 4 * kMiB) << "it returns no segment";
}

TEST(DryCudaAllocator, BlocksBelowTenMebibytesShareSegmentsOfTwenty) {
  DryCudaAllocator memory;
  void* const first = memory.allocate(9 * kMiB);
  void* const second = memory.allocate(9 * kMiB);
  EXPECT_EQ(memory.reserved(), 20 * kMiB);
  DryCudaAllocator smallest;
  smallest.deallocate(smallest.allocate(kMiB + 1), 0);
  EXPECT_EQ(smallest.reserved(), 20 * kMiB);
  void* const third = memory.allocate(3 * kMiB);  // 2 MiB are left of the segment
  EXPECT_EQ(memory.reserved(), 40 * kMiB);
  for (void* const block : {first, second, third}) memory.deallocate(block, 0);
}

TEST(DryCudaAllocator, LargerBlocksHaveSegmentsOfTheirOwnInMultiplesOfTwoMebibytes) {
  DryCudaAllocator memory;
  memory.deallocate(memory.allocate(11 * kMiB + 1), 0);
  EXPECT_EQ(memory.reserved(), 12 * kMiB);
  void* const block = memory.allocate(12 * kMiB);
  EXPECT_EQ(memory.reserved(), 12 * kMiB) << "the free segment has room";
  memory.deallocate(block, 0);
  DryCudaAllocator smallest;
  smallest.deallocate(smallest.allocate(10 * kMiB), 0);
  EXPECT_EQ(smallest.reserved(), 10 * kMiB);
}

TEST(DryCudaAllocator, TakesTheSmallestFreeBlockThatHasRoom) {
  DryCudaAllocator memory;
  void* const large = memory.allocate(100 * kMiB);
  void* const medium = memory.allocate(40 * kMiB);
  memory.deallocate(large, 0);
  memory.deallocate(medium, 0);
  void* const in_medium = memory.allocate(30 * kMiB);
  void* const in_large = memory.allocate(100 * kMiB);
  EXPECT_EQ(memory.reserved(), 140 * kMiB);
  memory.deallocate(in_medium, 0);
  memory.deallocate(in_large, 0);
}

// A rest of at most 1 MiB stays with its block, so that nothing else fits into it.
TEST(DryCudaAllocator, SplitsOffOnlyALargeRest) {
  DryCudaAllocator memory;
  memory.deallocate(memory.allocate(20 * kMiB), 0);
  void* const block = memory.allocate(19 * kMiB);
  EXPECT_EQ(memory.allocated(), 20 * kMiB);
  memory.deallocate(block, 0);
  void* const smaller = memory.allocate(18 * kMiB);
  EXPECT_EQ(memory.allocated(), 18 * kMiB);
  memory.deallocate(smaller, 0);
}

TEST(DryCudaAllocator, MergesFreeNeighbours) {
  DryCudaAllocator memory;
  memory.deallocate(memory.allocate(60 * kMiB), 0);
  void* const first = memory.allocate(20 * kMiB);
  void* const second = memory.allocate(20 * kMiB);
  void* const third = memory.allocate(20 * kMiB);
  memory.deallocate(first, 0);
  memory.deallocate(third, 0);
  void* const fragmented = memory.allocate(40 * kMiB);
  EXPECT_EQ(memory.reserved(), 100 * kMiB) << "40 MiB are free, in two parts";
  memory.deallocate(second, 0);
  void* const whole = memory.allocate(60 * kMiB);
  EXPECT_EQ(memory.reserved(), 100 * kMiB);
  memory.deallocate(fragmented, 0);
  memory.deallocate(whole, 0);
}

TEST(DryCudaAllocator, RefusesMoreThanAnAddressSpace) {
  DryCudaAllocator memory;
  EXPECT_THROW((void)memory.allocate(std::size_t{1} << 63), std::bad_alloc);
}

}  // namespace
}  // namespace ebb::memory
