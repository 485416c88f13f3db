// SPDX-License-Identifier: Apache-2.0
#include "memory/dry_pages.h"

#include <algorithm>
#include <array>
#include <new>

namespace ebb::memory {
namespace {

using Handle = std::array<std::byte, PageSource::kHeaderBytes>;

}  // namespace

void* DryPages::allocate(std::size_t bytes) {
  const bool small = bytes < BlockCache::kSmallest;
  void* const block = small ? new Handle : cache_.allocate(bytes);
  if (block == nullptr) throw std::bad_alloc();
  add_small(small ? static_cast<std::int64_t>(bytes) : 0);
  return block;
}

void DryPages::deallocate(void* block, std::size_t bytes) {
  if (bytes >= BlockCache::kSmallest) {
    cache_.deallocate(block, bytes);
    return;
  }
  add_small(-static_cast<std::int64_t>(bytes));
  delete static_cast<Handle*>(block);
}

std::int64_t DryPages::resident() const {
  const std::lock_guard lock(mutex_);
  return small_ + cache_.resident_bytes();
}

std::int64_t DryPages::peak_resident() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

void* DryPages::map(std::size_t) noexcept {
  return new (std::nothrow) Handle;
}

void DryPages::unmap(void* block, std::size_t) noexcept {
  delete static_cast<Handle*>(block);
}

void DryPages::add_small(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  small_ += bytes;
  peak_ = std::max(peak_, small_ + cache_.resident_bytes());
}

}  // namespace ebb::memory
