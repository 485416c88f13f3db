// SPDX-License-Identifier: Apache-2.0
#include "memory/failure.h"

#include <fmt/format.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <functional>
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

std::string owners_of(const std::vector<OwnerBytes>& owners) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < std::min(kOwners, owners.size()); ++i)
    parts.push_back(
        fmt::format("{} / {} {}", name(owners[i].cls), owners[i].owner, format_bytes(owners[i].bytes)));
  return joined(parts);
}

std::string free_host_memory(const BlockCache* cache) {
  const FreeMemory free = measure_free_memory(cache);
  return fmt::format("{} kept by the cache, the largest block {}; {} in malloc", format_bytes(free.kept),
                     format_bytes(free.largest), format_bytes(free.malloc));
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

std::string largest_classes(const Sums& sums, std::size_t most) {
  std::vector<std::size_t> order(sums.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t c) { return sums[c]; });
  order.resize(std::min(most, order.size()));
  std::vector<std::string> parts;
  for (const std::size_t c : order)
    if (sums[c] > 0) parts.push_back(fmt::format("{} {}", kClassNames[c], format_bytes(sums[c])));
  return joined(parts);
}

FreeMemory measure_free_memory(const BlockCache* cache) {
  FreeMemory free;
  free.malloc = static_cast<std::int64_t>(mallinfo2().fordblks);
  if (cache == nullptr) return free;
  for (const BlockCache::KeptBlock& block : cache->kept_blocks()) {
    free.kept += block.bytes;
    free.largest = std::max(free.largest, block.bytes);
    ++free.blocks;
  }
  return free;
}

std::string out_of_memory_message(const Ledger& ledger, const BlockCache* cache,
                                  const FailedAllocation& failed) {
  const bool host = failed.location == Ledger::Location::host;
  const std::string function = backward_function();
  std::string text = fmt::format(
      "out of {} memory in stage {}{}: {} requested by {} / {}, while {} are live", host ? "host" : "device",
      name(ledger.stage()), function.empty() ? "" : " (" + function + ")", format_bytes(failed.bytes),
      name(failed.cls), failed.owner, format_bytes(ledger.live_total(failed.location)));
  if (!failed.limit.empty()) text += fmt::format("\n  limit: {}", failed.limit);
  text += fmt::format("\n  live: {}", largest_classes(ledger.live(failed.location)));
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

void fail(const Ledger& ledger, const BlockCache* cache, const FailedAllocation& failed) {
  const std::int64_t held = failed.location == Ledger::Location::host ? held_bytes(ledger, cache)
                                                                      : ledger.live_total(failed.location);
  throw OutOfMemory(reported(out_of_memory_message(ledger, cache, failed)),
                    {failed.location, ledger.stage(), failed.missing, held});
}

}  // namespace ebb::memory
