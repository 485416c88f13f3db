// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "memory/block_cache.h"
#include "memory/dry_memory.h"

namespace ebb::memory {

// The resident pages of a process that allocates as this program does, without its memory: large blocks come
// from a BlockCache, smaller ones from malloc. Each byte of a block counts as written, so its pages are
// resident until the cache unmaps them. Any thread may call it.
class DryPages final : public DryMemory, private PageSource {
 public:
  // `kept_limit`: as memory.host_cache.
  explicit DryPages(std::int64_t kept_limit = BlockCache::kNoLimit) : cache_(*this) {
    cache_.set_limit(kept_limit);
  }
  ~DryPages() override { cache_.release_kept(); }
  DryPages(const DryPages&) = delete;
  DryPages& operator=(const DryPages&) = delete;

  void* allocate(std::size_t bytes) override;
  void deallocate(void* block, std::size_t bytes) override;
  // For the ends of steps, temporary use, and what it keeps.
  [[nodiscard]] BlockCache& cache() { return cache_; }
  // Bytes now, and their maximum so far. Those of malloc are not rounded.
  [[nodiscard]] std::int64_t resident() const;
  [[nodiscard]] std::int64_t peak_resident() const;

 private:
  void* map(std::size_t bytes) noexcept override;
  void unmap(void* block, std::size_t bytes) noexcept override;
  void add_small(std::int64_t bytes);

  mutable std::mutex mutex_;
  std::int64_t small_ = 0, peak_ = 0;
  BlockCache cache_;
};

}  // namespace ebb::memory
