// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "memory/dry_memory.h"

namespace ebb::memory {

// A model of LibTorch's caching allocator for GPUs: one stream, default settings, a device of any size. It
// gives the bytes obtained from the driver for a sequence of blocks. It obtains memory in segments, takes the
// smallest free block that has room for a request, splits off the rest, and merges free neighbours. It
// returns no segment to the driver. For one thread.
// Source: c10/cuda/CUDACachingAllocator.cpp of LibTorch 2.11: round_size(), get_allocation_size(),
// get_free_block(), should_split(), free_block().
class DryCudaAllocator final : public DryMemory {
 public:
  DryCudaAllocator() = default;
  ~DryCudaAllocator() override;
  DryCudaAllocator(const DryCudaAllocator&) = delete;
  DryCudaAllocator& operator=(const DryCudaAllocator&) = delete;

  void* allocate(std::size_t bytes) override;
  void deallocate(void* block, std::size_t bytes) override;

  [[nodiscard]] std::int64_t allocated() const { return allocated_; }  // live blocks, rounded up
  [[nodiscard]] std::int64_t reserved() const { return reserved_; }    // segments

 private:
  struct Block;
  struct BySize {
    bool operator()(const Block* a, const Block* b) const;
  };
  using Pool = std::set<Block*, BySize>;

  Pool& pool_of(bool small) { return small ? small_ : large_; }
  Block* take_free(std::int64_t rounded);
  Block* new_segment(std::int64_t rounded);
  void split(Block* block, std::int64_t rounded);
  static void merge_with_next(Block* block);

  std::vector<Block*> segments_;  // the first block of each
  Pool small_, large_;            // free blocks
  std::int64_t allocated_ = 0, reserved_ = 0;
};

}  // namespace ebb::memory
