// SPDX-License-Identifier: Apache-2.0
#include "memory/dry_cuda_allocator.h"

#include <algorithm>
#include <limits>
#include <new>
#include <tuple>

#include "base/round_up.h"

namespace ebb::memory {
namespace {

constexpr std::int64_t kMiB = 1 << 20;
constexpr std::int64_t kGranularity = 512;           // of a block
constexpr std::int64_t kLargestSmall = kMiB;         // of a block in the pool of small ones
constexpr std::int64_t kSmallSegment = 2 * kMiB;     // of small blocks
constexpr std::int64_t kSharedSegment = 20 * kMiB;   // of large blocks below kLeastAlone
constexpr std::int64_t kLeastAlone = 10 * kMiB;      // larger blocks get a segment of about their size,
constexpr std::int64_t kSegmentMultiple = 2 * kMiB;  // a multiple of this
constexpr std::size_t kMost = std::numeric_limits<std::int64_t>::max() / 2;

std::int64_t segment_bytes(std::int64_t rounded) {
  if (rounded <= kLargestSmall) return kSmallSegment;
  return rounded < kLeastAlone ? kSharedSegment : round_up(rounded, kSegmentMultiple);
}

}  // namespace

struct DryCudaAllocator::Block {
  std::int64_t bytes;
  std::int64_t segment, offset;  // its place
  bool small;                    // the pool of its segment
  bool free = false;
  Block *previous = nullptr, *next = nullptr;  // neighbours in the segment
};

bool DryCudaAllocator::BySize::operator()(const Block* a, const Block* b) const {
  return std::tie(a->bytes, a->segment, a->offset) < std::tie(b->bytes, b->segment, b->offset);
}

DryCudaAllocator::~DryCudaAllocator() {
  for (Block* block : segments_) {
    while (block != nullptr) {
      Block* const next = block->next;
      delete block;
      block = next;
    }
  }
}

void* DryCudaAllocator::allocate(std::size_t bytes) {
  if (bytes > kMost) throw std::bad_alloc();
  const std::int64_t rounded =
      round_up(std::max<std::int64_t>(1, static_cast<std::int64_t>(bytes)), kGranularity);
  Block* block = take_free(rounded);
  if (block == nullptr) block = new_segment(rounded);
  split(block, rounded);
  allocated_ += block->bytes;
  return block;
}

void DryCudaAllocator::deallocate(void* handle, std::size_t /*bytes*/) {
  auto* block = static_cast<Block*>(handle);
  allocated_ -= block->bytes;
  Pool& pool = pool_of(block->small);
  if (block->next != nullptr && block->next->free) {
    pool.erase(block->next);
    merge_with_next(block);
  }
  if (block->previous != nullptr && block->previous->free) {
    block = block->previous;
    pool.erase(block);
    merge_with_next(block);
  }
  block->free = true;
  pool.insert(block);
}

DryCudaAllocator::Block* DryCudaAllocator::take_free(std::int64_t rounded) {
  Pool& pool = pool_of(rounded <= kLargestSmall);
  Block smallest{.bytes = rounded, .segment = -1, .offset = 0, .small = false};
  const auto found = pool.lower_bound(&smallest);
  if (found == pool.end()) return nullptr;
  Block* const block = *found;
  pool.erase(found);
  block->free = false;
  return block;
}

DryCudaAllocator::Block* DryCudaAllocator::new_segment(std::int64_t rounded) {
  const std::int64_t bytes = segment_bytes(rounded);
  auto* const block = new Block{.bytes = bytes,
                                .segment = static_cast<std::int64_t>(segments_.size()),
                                .offset = 0,
                                .small = rounded <= kLargestSmall};
  segments_.push_back(block);
  reserved_ += bytes;
  return block;
}

// Makes the rest of a block a free block, unless it is too small for one.
void DryCudaAllocator::split(Block* block, std::int64_t rounded) {
  const std::int64_t rest = block->bytes - rounded;
  if (block->small ? rest < kGranularity : rest <= kLargestSmall) return;
  auto* const after = new Block{.bytes = rest,
                                .segment = block->segment,
                                .offset = block->offset + rounded,
                                .small = block->small,
                                .free = true,
                                .previous = block,
                                .next = block->next};
  if (after->next != nullptr) after->next->previous = after;
  block->next = after;
  block->bytes = rounded;
  pool_of(block->small).insert(after);
}

void DryCudaAllocator::merge_with_next(Block* block) {
  const Block* const next = block->next;
  block->bytes += next->bytes;
  block->next = next->next;
  if (block->next != nullptr) block->next->previous = block;
  delete next;
}

}  // namespace ebb::memory
