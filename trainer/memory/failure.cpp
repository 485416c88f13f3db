// SPDX-License-Identifier: Apache-2.0
#include "memory/failure.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <numeric>
#include <vector>

#include "base/units.h"
#include "memory/backward_function.h"
#include "memory/block_cache.h"
#include "memory/cpu_allocator.h"
#include "memory/cuda_device.h"

namespace ebb::memory {
namespace {

constexpr std::size_t kOwners = 3;  // named in a message

std::atomic<FailureReporter*> the_reporter{nullptr};

std::string joined(const std::vector<std::string>& parts) {
  return fmt::format("{}", fmt::join(parts, ", "));
}

// "optimizer 14.5 GiB, activations 9.6 GiB": those with bytes, the largest first.
std::string classes_of(const Sums& live) {
  std::vector<std::size_t> order(live.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return live[a] > live[b]; });
  std::vector<std::string> parts;
  for (const std::size_t c : order)
    if (live[c] > 0) parts.push_back(fmt::format("{} {}", kClassNames[c], format_bytes(live[c])));
  return joined(parts);
}

std::string owners_of(const std::vector<OwnerBytes>& owners) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(kOwners, owners.size()); ++i)
    parts.push_back(
        fmt::format("{} / {} {}", name(owners[i].cls), owners[i].owner, format_bytes(owners[i].bytes)));
  return joined(parts);
}

std::string free_host_memory(const BlockCache* cache) {
  std::int64_t kept = 0, largest = 0;
  if (cache != nullptr) {
    for (const BlockCache::KeptBlock& block : cache->kept_blocks()) {
      kept += block.bytes;
      largest = std::max(largest, block.bytes);
    }
  }
  return fmt::format("{} kept by the cache, the largest block {}; {} in malloc", format_bytes(kept),
                     format_bytes(largest), format_bytes(static_cast<std::int64_t>(mallinfo2().fordblks)));
}

std::string free_device_memory(const Ledger& ledger) {
  try {
    const auto stats = stats_of_used_device();
    if (!stats) return "unknown";
    return fmt::format("{} in what the allocator has reserved, the largest block {}",
                       format_bytes(stats->reserved - ledger.live_total(Ledger::Location::device)),
                       format_bytes(stats->largest_free_block));
  } catch (const Error&) {  // must not replace the failure
    return "unknown";
  }
}

}  // namespace

std::string out_of_memory_message(const Ledger& ledger, const BlockCache* cache,
                                  const FailedAllocation& failed) {
  const bool host = failed.location == Ledger::Location::host;
  const std::string function = backward_function();
  const Sums live = ledger.live(failed.location);
  std::string text =
      fmt::format("out of {} memory in stage {}{}: {} requested by {} / {}, while {} are live",
                  host ? "host" : "device", name(ledger.stage()),
                  function.empty() ? "" : " (" + function + ")", format_bytes(failed.bytes), name(failed.cls),
                  failed.owner, format_bytes(std::accumulate(live.begin(), live.end(), std::int64_t{0})));
  if (!failed.limit.empty()) text += fmt::format("\n  limit: {}", failed.limit);
  text += fmt::format("\n  live: {}", classes_of(live));
  text += fmt::format("\n  largest owners: {}", owners_of(ledger.owners(failed.location)));
  text += fmt::format("\n  free: {}", host ? free_host_memory(cache) : free_device_memory(ledger));
  return text;
}

void set_failure_reporter(FailureReporter* reporter) {
  the_reporter.store(reporter);
}

std::string reported(const std::string& what) {
  FailureReporter* const reporter = the_reporter.load();
  if (reporter == nullptr) return what;
  try {
    return what + reporter->report(what);
  } catch (const std::exception& error) {
    return fmt::format("{}\n  no report: {}", what, error.what());
  }
}

void fail(const Ledger& ledger, const BlockCache* cache, FailedAllocation failed) {
  failed.stage = ledger.stage();
  failed.held = failed.location == Ledger::Location::host ? held_bytes(ledger, cache)
                                                          : ledger.live_total(failed.location);
  throw OutOfMemory(reported(out_of_memory_message(ledger, cache, failed)), failed);
}

}  // namespace ebb::memory
