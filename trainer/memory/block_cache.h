// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace ebb::memory {

// Where a BlockCache gets its blocks from. No member throws; any thread may call it.
class PageSource {
 public:
  static constexpr std::size_t kHeaderBytes = 24;
  virtual ~PageSource() = default;
  // `bytes` of memory, or null if there are none. kernel_pages() aligns it to a page. A source for dry runs
  // may return a block of which only the first kHeaderBytes are memory; the cache accesses nothing beyond
  // them.
  virtual void* map(std::size_t bytes) noexcept = 0;
  virtual void unmap(void* block, std::size_t bytes) noexcept = 0;
};

PageSource& kernel_pages();  // mmap

// Large blocks of host memory that stay mapped when they are freed. A step frees its tensors, and the next
// one requests the same sizes. Mapping and touching pages again costs a tenth of a step. malloc keeps some
// pages and returns others, which changes the resident set from step to step.
//
// Sizes are rounded up to size classes, 8 per power of two; only touched pages are resident. Kept and used
// bytes together are at most the maximum use of the last two to three periods of 32 steps, plus an eighth of
// it or 16 MiB, the larger. Temporary use is exempt. Kept bytes never exceed the value of set_limit(). If a
// bound would be exceeded, the cache unmaps the block that has been unused for longest. Any thread may call
// it; no member throws, except for kept_blocks(), which allocates.
class BlockCache {
 public:
  static constexpr std::size_t kSmallest = std::size_t{64} << 10;  // smaller ones are left to malloc
  static constexpr std::int64_t kNoLimit = std::int64_t{1} << 62;

  // `pages` must outlive the cache.
  explicit BlockCache(PageSource& pages = kernel_pages()) : pages_(pages) {}
  ~BlockCache() { release_kept(); }  // used blocks stay mapped
  BlockCache(const BlockCache&) = delete;
  BlockCache& operator=(const BlockCache&) = delete;

  // `bytes`: at least kSmallest. Contents undefined; aligned as the source's. Null if the kernel refuses even
  // after all kept blocks are unmapped, or if resident_bytes() would exceed `most_resident` even then.
  void* allocate(std::size_t bytes, std::int64_t most_resident = kNoLimit) noexcept;
  // `bytes` as given to allocate().
  void deallocate(void* block, std::size_t bytes) noexcept;

  void set_limit(std::int64_t kept_bytes) noexcept;  // 0: keeps nothing
  // Call at the end of every step. Every 32 steps it unmaps the blocks that none of the last 64 steps needed.
  void end_step() noexcept;
  void release_kept(std::int64_t down_to = 0) noexcept;  // unmaps free blocks until so many bytes are kept
  // Call them around work that is no step, such as an evaluation. Blocks mapped for it are additional to the
  // kept ones and are unmapped at its end. The next step then finds the kept blocks again.
  void begin_temporary_use() noexcept;
  void end_temporary_use() noexcept;

  [[nodiscard]] std::int64_t kept_bytes() const noexcept;       // mapped and free
  [[nodiscard]] std::int64_t in_use_bytes() const noexcept;     // used, as rounded
  [[nodiscard]] std::int64_t requested_bytes() const noexcept;  // used, as requested
  // Pages of mapped blocks, used or kept, that were requested at some time. They count as written.
  [[nodiscard]] std::int64_t resident_bytes() const noexcept;
  struct KeptBlock {
    std::uint64_t address;
    std::int64_t bytes;  // as rounded
  };
  [[nodiscard]] std::vector<KeptBlock> kept_blocks() const;  // in no order
  // max(resident_bytes()) - max(requested_bytes()), each over the time so far: what the cache takes beyond
  // the largest use. The two maxima may be of different times.
  [[nodiscard]] std::int64_t overhead_bytes() const noexcept;

 private:
  static constexpr std::size_t kSizeClasses = 8 * 44;

  // Stored in the free block itself.
  struct Free {
    Free* newer;
    Free* older;
    std::uint64_t freed_at;  // order of deallocate() calls
  };
  static_assert(sizeof(Free) <= PageSource::kHeaderBytes);
  struct SizeClass {
    Free* newest = nullptr;
    Free* oldest = nullptr;
    std::int64_t kept = 0, used = 0;  // blocks
    // The most used at one time, in the present and in the previous period of 32 steps.
    std::int64_t most_used = 0, most_used_before = 0;
    std::int64_t blocks_before_temporary_use = 0;  // blocks, kept and used, when temporary use began
  };

  static std::size_t class_of(std::size_t bytes);
  static std::size_t class_bytes(std::size_t index);
  void unlink(std::size_t index, Free* block);
  void link(std::size_t index, void* block);
  void unmap(std::size_t index, void* block);
  void use(void* block, std::size_t bytes);
  [[nodiscard]] std::int64_t written_of(void* block) const;
  void release(std::size_t index, Free* block);
  void release_longest_unused();
  void release_all(std::int64_t down_to = 0);

  PageSource& pages_;
  mutable std::mutex mutex_;
  std::array<SizeClass, kSizeClasses> classes_{};
  std::int64_t kept_ = 0, used_ = 0, requested_ = 0, limit_ = kNoLimit;
  std::unordered_map<void*, std::int64_t> written_;  // bytes in whole pages, of every mapped block
  std::int64_t resident_ = 0;                        // their sum
  std::int64_t most_resident_ = 0, most_requested_ = 0;
  std::int64_t most_used_ = 0, most_used_before_ = 0;  // bytes, as in SizeClass
  std::uint64_t deallocations_ = 0;
  std::int64_t steps_ = 0;
  bool temporary_ = false;
};

// Temporary use of `cache` while this object exists (BlockCache::begin_temporary_use).
class TemporaryUse {
 public:
  explicit TemporaryUse(BlockCache& cache) : cache_(cache) { cache_.begin_temporary_use(); }
  ~TemporaryUse() { cache_.end_temporary_use(); }
  TemporaryUse(const TemporaryUse&) = delete;
  TemporaryUse& operator=(const TemporaryUse&) = delete;

 private:
  BlockCache& cache_;
};

}  // namespace ebb::memory
