// SPDX-License-Identifier: Apache-2.0
#include "memory/dry_pages.h"

#include <algorithm>
#include <array>
#include <new>

#include "base/round_up.h"

namespace ebb::memory {
namespace {

constexpr std::int64_t kPage = 4096;

struct Handle {
  std::array<std::byte, 24> of_the_cache;  // PageSource::map()
  std::int64_t written = 0;                // bytes, in whole pages
};

}  // namespace

void* DryPages::allocate(std::size_t bytes) {
  if (bytes < BlockCache::kSmallest) {
    add(static_cast<std::int64_t>(bytes));
    return new Handle;
  }
  void* const block = cache_.allocate(bytes);
  if (block == nullptr) throw std::bad_alloc();
  auto* const handle = static_cast<Handle*>(block);
  const std::int64_t pages = round_up(static_cast<std::int64_t>(bytes), kPage);
  if (pages > handle->written) {
    add(pages - handle->written);
    handle->written = pages;
  }
  return block;
}

void DryPages::deallocate(void* block, std::size_t bytes) {
  if (bytes >= BlockCache::kSmallest) {
    cache_.deallocate(block, bytes);
    return;
  }
  add(-static_cast<std::int64_t>(bytes));
  delete static_cast<Handle*>(block);
}

std::int64_t DryPages::resident() const {
  const std::lock_guard lock(mutex_);
  return resident_;
}

std::int64_t DryPages::peak_resident() const {
  const std::lock_guard lock(mutex_);
  return peak_;
}

void* DryPages::map(std::size_t) noexcept {
  return new (std::nothrow) Handle;
}

void DryPages::unmap(void* block, std::size_t) noexcept {
  auto* const handle = static_cast<Handle*>(block);
  add(-handle->written);
  delete handle;
}

void DryPages::add(std::int64_t bytes) {
  const std::lock_guard lock(mutex_);
  resident_ += bytes;
  peak_ = std::max(peak_, resident_);
}

}  // namespace ebb::memory
