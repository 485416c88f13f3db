// SPDX-License-Identifier: Apache-2.0
#include "memory/block_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <new>

#include "base/round_up.h"

namespace ebb::memory {
namespace {

constexpr std::int64_t kPeriod = 32;  // steps

// The bytes that may be mapped for a maximum use of `most`.
std::int64_t with_slack(std::int64_t most) {
  constexpr std::int64_t kLeast = std::int64_t{16}
                                  << 20;  // with less, a small model maps a fifth of its blocks again
  return most + std::max(most / 8, kLeast);
}

std::int64_t pages_of(std::size_t bytes) {
  constexpr std::int64_t kPage = 4096;
  return round_up(static_cast<std::int64_t>(bytes), kPage);
}

class KernelPages final : public PageSource {
 public:
  void* map(std::size_t bytes) noexcept override {
    void* const block = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return block == MAP_FAILED ? nullptr : block;
  }
  void unmap(void* block, std::size_t bytes) noexcept override { munmap(block, bytes); }
};

}  // namespace

PageSource& kernel_pages() {
  static auto* const pages = new KernelPages;  // never destroyed: blocks may be freed after main returns
  return *pages;
}

// Class 8k + j holds (8 + j) · 2^(k + 13) bytes: from 64 KiB on, an eighth of a power of two apart.
std::size_t BlockCache::class_bytes(std::size_t index) {
  return (8 + index % 8) << (index / 8 + std::countr_zero(kSmallest) - 3);
}

std::size_t BlockCache::class_of(std::size_t bytes) {
  const auto power = static_cast<std::size_t>(std::bit_width(bytes) - 1);
  const std::size_t eighths = (bytes + (std::size_t{1} << (power - 3)) - 1) >> (power - 3);  // 8 … 16
  return 8 * (power - std::countr_zero(kSmallest)) + eighths - 8;
}

void* BlockCache::allocate(std::size_t bytes, std::int64_t most_resident) noexcept {
  const std::size_t index = class_of(bytes);
  if (index >= kSizeClasses) return nullptr;
  const auto size = static_cast<std::int64_t>(class_bytes(index));
  const std::lock_guard lock(mutex_);
  SizeClass& of = classes_[index];
  void* block = of.newest;
  if (block != nullptr) unlink(index, of.newest);
  const std::int64_t growth = pages_of(bytes) - (block != nullptr ? written_of(block) : 0);
  while (kept_ > 0 && growth > 0 && resident_ + growth > most_resident) release_longest_unused();
  if (growth > 0 && resident_ + growth > most_resident) {
    if (block != nullptr) link(index, block);
    return nullptr;
  }
  if (block == nullptr) {
    const std::int64_t most = std::max({most_used_, most_used_before_, used_ + size});
    while (!temporary_ && kept_ > 0 && used_ + kept_ + size > with_slack(most)) release_longest_unused();
    block = pages_.map(class_bytes(index));
    if (block == nullptr) {
      release_all();
      block = pages_.map(class_bytes(index));
    }
    if (block == nullptr) return nullptr;
  }
  use(block, bytes);
  used_ += size;
  ++of.used;
  if (!temporary_) {
    most_used_ = std::max(most_used_, used_);
    of.most_used = std::max(of.most_used, of.used);
  }
  return block;
}

std::int64_t BlockCache::written_of(void* block) const {
  const auto found = written_.find(block);
  return found == written_.end() ? 0 : found->second;
}

// Counts the pages of a block that is used from now on. Without memory for an entry they do not count.
void BlockCache::use(void* block, std::size_t bytes) {
  requested_ += static_cast<std::int64_t>(bytes);
  most_requested_ = std::max(most_requested_, requested_);
  try {
    std::int64_t& written = written_[block];
    const std::int64_t pages = std::max(written, pages_of(bytes));
    resident_ += pages - written;
    written = pages;
  } catch (const std::bad_alloc&) {
    return;
  }
  most_resident_ = std::max(most_resident_, resident_);
}

void BlockCache::deallocate(void* block, std::size_t bytes) noexcept {
  const std::size_t index = class_of(bytes);
  const auto size = static_cast<std::int64_t>(class_bytes(index));
  const std::lock_guard lock(mutex_);
  used_ -= size;
  requested_ -= static_cast<std::int64_t>(bytes);
  --classes_[index].used;
  if (size > limit_) {
    unmap(index, block);
    return;
  }
  while (kept_ + size > limit_) release_longest_unused();
  link(index, block);
}

void BlockCache::set_limit(std::int64_t kept_bytes) noexcept {
  const std::lock_guard lock(mutex_);
  limit_ = kept_bytes;
  while (kept_ > limit_) release_longest_unused();
}

void BlockCache::end_step() noexcept {
  const std::lock_guard lock(mutex_);
  if (++steps_ % kPeriod != 0) return;
  for (std::size_t index = 0; index < kSizeClasses; ++index) {
    SizeClass& of = classes_[index];
    while (of.kept > 0 && of.kept + of.used > std::max(of.most_used, of.most_used_before))
      release(index, of.oldest);
    of.most_used_before = of.most_used;
    of.most_used = of.used;
  }
  // Classes used one after another each keep their maximum; together they may keep too much.
  const std::int64_t most = std::max(most_used_, most_used_before_);
  while (kept_ > 0 && used_ + kept_ > with_slack(most)) release_longest_unused();
  most_used_before_ = most_used_;
  most_used_ = used_;
}

void BlockCache::release_kept(std::int64_t down_to) noexcept {
  const std::lock_guard lock(mutex_);
  release_all(down_to);
}

void BlockCache::begin_temporary_use() noexcept {
  const std::lock_guard lock(mutex_);
  for (SizeClass& of : classes_) of.blocks_before_temporary_use = of.kept + of.used;
  temporary_ = true;
}

void BlockCache::end_temporary_use() noexcept {
  const std::lock_guard lock(mutex_);
  for (std::size_t index = 0; index < kSizeClasses; ++index) {
    SizeClass& of = classes_[index];
    while (of.kept > 0 && of.kept + of.used > of.blocks_before_temporary_use) release(index, of.oldest);
  }
  temporary_ = false;
}

std::int64_t BlockCache::kept_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return kept_;
}

std::int64_t BlockCache::in_use_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return used_;
}

std::int64_t BlockCache::requested_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return requested_;
}

std::int64_t BlockCache::resident_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return resident_;
}

std::vector<BlockCache::KeptBlock> BlockCache::kept_blocks() const {
  const std::lock_guard lock(mutex_);
  std::vector<KeptBlock> all;
  for (std::size_t index = 0; index < kSizeClasses; ++index)
    for (const Free* block = classes_[index].newest; block != nullptr; block = block->older)
      all.push_back({reinterpret_cast<std::uint64_t>(block), static_cast<std::int64_t>(class_bytes(index))});
  return all;
}

std::int64_t BlockCache::overhead_bytes() const noexcept {
  const std::lock_guard lock(mutex_);
  return most_resident_ - most_requested_;
}

// Adds a mapped block to the free list.
void BlockCache::link(std::size_t index, void* block) {
  SizeClass& of = classes_[index];
  Free* const free = new (block) Free{nullptr, of.newest, ++deallocations_};
  (of.newest != nullptr ? of.newest->newer : of.oldest) = free;
  of.newest = free;
  ++of.kept;
  kept_ += static_cast<std::int64_t>(class_bytes(index));
}

// Removes the block from the free list; it stays mapped.
void BlockCache::unlink(std::size_t index, Free* block) {
  SizeClass& of = classes_[index];
  (block->newer != nullptr ? block->newer->older : of.newest) = block->older;
  (block->older != nullptr ? block->older->newer : of.oldest) = block->newer;
  --of.kept;
  kept_ -= static_cast<std::int64_t>(class_bytes(index));
}

void BlockCache::unmap(std::size_t index, void* block) {
  resident_ -= written_of(block);
  written_.erase(block);
  pages_.unmap(block, class_bytes(index));
}

void BlockCache::release(std::size_t index, Free* block) {
  unlink(index, block);
  unmap(index, block);
}

// Needs at least one kept block. The scan of all classes is cheap beside the system call.
void BlockCache::release_longest_unused() {
  std::size_t best = kSizeClasses;
  for (std::size_t index = 0; index < kSizeClasses; ++index) {
    const Free* const oldest = classes_[index].oldest;
    if (oldest == nullptr) continue;
    if (best == kSizeClasses || oldest->freed_at < classes_[best].oldest->freed_at) best = index;
  }
  release(best, classes_[best].oldest);
}

void BlockCache::release_all(std::int64_t down_to) {
  while (kept_ > down_to) release_longest_unused();
}

}  // namespace ebb::memory
