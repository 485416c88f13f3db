// SPDX-License-Identifier: Apache-2.0
#include "memory/cpu_allocator.h"

#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>

#include "base/error.h"
#include "base/units.h"
#include "memory/block_cache.h"
#include "memory/failure.h"
#include "memory/meta_account.h"

namespace ebb::memory {
namespace {

// State of the deleter of tracked blocks, which is a plain function. install() sets it once.
std::atomic<Ledger*> the_ledger{nullptr};
BlockCache* the_cache = nullptr;
c10::DeleterFnPtr the_upstream_deleter = nullptr;

// The budget, which any thread reads in each allocation.
std::atomic<std::int64_t> the_budget{-1};
std::mutex the_source_mutex;
std::string the_source;

// By how much the pages of `bytes` more exceed the budget; at most 0 if they do not, or if there is none.
std::int64_t excess_of(const Ledger& ledger, std::int64_t bytes) {
  constexpr std::int64_t kPage = 4096;
  const std::int64_t budget = the_budget.load(std::memory_order_relaxed);
  return budget < 0 ? 0 : held_bytes(ledger, the_cache) + (bytes + kPage - 1) / kPage * kPage - budget;
}

std::string limit_text() {
  const std::lock_guard lock(the_source_mutex);
  return fmt::format("{}: {} for tensors and buffers of this rank", the_source,
                     format_bytes(the_budget.load()));
}

[[noreturn]] void refuse(const Ledger& ledger, std::int64_t bytes, Class cls, std::string_view owner) {
  fail(ledger, the_cache,
       {Ledger::Location::host, bytes, cls, owner, excess_of(ledger, bytes), limit_text()});
}

// Forgets first: once the block is free, another thread may get the same address.
void forget_and_free(void* block) {
  const auto bytes = static_cast<std::size_t>(
      the_ledger.load(std::memory_order_relaxed)->forget(block, Ledger::Location::host));
  if (Ledger* const dry = dry_ledger()) dry->forget(block, Ledger::Location::host);
  if (the_cache != nullptr && bytes >= BlockCache::kSmallest) {
    the_cache->deallocate(block, bytes);
  } else {
    the_upstream_deleter(block);
  }
}

// LibTorch's allocator, with the cache in front of it, if there is one. The ledger records each block.
// As upstream, the context of a block is its address, so that the raw interface works.
class TrackingCpuAllocator final : public c10::Allocator {
 public:
  TrackingCpuAllocator(c10::Allocator& upstream, Ledger& ledger) : upstream_(upstream), ledger_(ledger) {}

  c10::DataPtr allocate(std::size_t bytes) override {
    void* block = nullptr;
    if (bytes >= BlockCache::kSmallest && the_cache != nullptr) {
      block = the_cache->allocate(bytes, cache_limit());
    } else {
      if (bytes >= BlockCache::kSmallest && the_budget.load(std::memory_order_relaxed) >= 0) {
        const TagView tag = current_tag();
        require_budget(static_cast<std::int64_t>(bytes), tag.cls, tag.owner);
      }
      block = allocate_upstream(bytes).release_context();
    }
    if (block == nullptr && bytes > 0) fail_with_tag(bytes);
    if (block != nullptr) {
      ledger_.record(block, static_cast<std::int64_t>(bytes), Ledger::Location::host);
      if (Ledger* const dry = dry_ledger())
        dry->record(block, static_cast<std::int64_t>(bytes), Ledger::Location::host);
    }
    return {block, block, block == nullptr ? &c10::detail::deleteNothing : &forget_and_free,
            c10::Device(c10::kCPU)};
  }
  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return &forget_and_free; }
  void copy_data(void* to, const void* from, std::size_t bytes) const override {
    upstream_.copy_data(to, from, bytes);
  }

 private:
  c10::DataPtr allocate_upstream(std::size_t bytes) {
    for (;;) {
      try {
        return upstream_.allocate(bytes);
      } catch (const c10::Error&) {
        if (!release_kept_blocks()) fail_with_tag(bytes);
      } catch (const std::bad_alloc&) {
        if (!release_kept_blocks()) fail_with_tag(bytes);
      }
    }
  }
  [[noreturn]] void fail_with_tag(std::size_t bytes) const {
    const TagView tag = current_tag();
    fail_host_allocation(static_cast<std::int64_t>(bytes), tag.cls, tag.owner);
  }
  // The pages that the cache may have beside the other live bytes.
  [[nodiscard]] std::int64_t cache_limit() const {
    const std::int64_t budget = the_budget.load(std::memory_order_relaxed);
    if (budget < 0) return BlockCache::kNoLimit;
    return std::max<std::int64_t>(0, budget - held_bytes(ledger_, the_cache) + the_cache->resident_bytes());
  }

  c10::Allocator& upstream_;
  Ledger& ledger_;
};

// Above LibTorch's default (0); below 255, which is left to a user's debugger.
constexpr std::uint8_t kPriority = 100;

}  // namespace

void install(Ledger& ledger, BlockCache* cache) {
  if (the_ledger.load() != nullptr) {
    throw Error(ExitCode::internal, "memory::install was called twice; one process has one ledger");
  }
  c10::Allocator* const upstream = c10::GetAllocator(c10::kCPU);
  the_upstream_deleter = upstream->raw_deleter();
  if (the_upstream_deleter == nullptr) {
    throw Error(ExitCode::internal,
                "this LibTorch's CPU allocator has no raw deleter; its blocks cannot be tracked");
  }
  the_cache = cache;
  the_ledger.store(&ledger);
  // Never destroyed: tensors keep a pointer to it.
  c10::SetAllocator(c10::kCPU, new TrackingCpuAllocator(*upstream, ledger), kPriority);
}

Ledger* installed() {
  return the_ledger.load(std::memory_order_relaxed);
}

std::int64_t held_bytes(const Ledger& ledger, const BlockCache* cache) {
  const std::int64_t live = ledger.live_total(Ledger::Location::host);
  return cache == nullptr ? live : live - cache->requested_bytes() + cache->resident_bytes();
}

void set_budget(std::int64_t bytes, const std::string& source) {
  const std::lock_guard lock(the_source_mutex);
  the_source = source;
  the_budget.store(bytes);
}

void require_budget(std::int64_t bytes, Class cls, std::string_view owner) {
  const Ledger* const ledger = installed();
  if (ledger == nullptr) return;
  const std::int64_t excess = excess_of(*ledger, bytes);
  if (excess <= 0) return;
  if (the_cache != nullptr)
    the_cache->release_kept(std::max<std::int64_t>(0, the_cache->kept_bytes() - excess));
  if (excess_of(*ledger, bytes) > 0) refuse(*ledger, bytes, cls, owner);
}

void fail_host_allocation(std::int64_t bytes, Class cls, std::string_view owner) {
  static const auto* const none = new Ledger;
  const Ledger* const ledger = installed() != nullptr ? installed() : none;
  if (excess_of(*ledger, bytes) > 0) refuse(*ledger, bytes, cls, owner);
  fail(*ledger, the_cache, {Ledger::Location::host, bytes, cls, owner});
}

bool release_kept_blocks() {
  if (the_cache == nullptr || the_cache->kept_bytes() == 0) return false;
  the_cache->release_kept();
  return true;
}

}  // namespace ebb::memory
