// SPDX-License-Identifier: Apache-2.0
#include "memory/leak_gate.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "memory/failure.h"

namespace ebb::memory {
namespace {

Sums by_class(const std::vector<OwnerBytes>& lines) {
  Sums sums{};
  for (const OwnerBytes& line : lines) sums[static_cast<std::size_t>(line.cls)] += line.bytes;
  return sums;
}

std::string change(std::int64_t before, std::int64_t now) {
  const std::int64_t difference = now - before;
  return fmt::format("{} B before, {} B now, {}{} B", before, now, difference < 0 ? "" : "+", difference);
}

// The owners of one class whose bytes differ, the largest difference first.
std::string owner_changes(Class cls, const std::vector<OwnerBytes>& before,
                          const std::vector<OwnerBytes>& now) {
  struct Change {
    std::int64_t before = 0, now = 0, blocks_before = 0, blocks_now = 0;
  };
  std::map<std::string, Change> changes;
  for (const OwnerBytes& line : before) {
    if (line.cls != cls) continue;
    changes[line.owner].before = line.bytes;
    changes[line.owner].blocks_before = line.blocks;
  }
  for (const OwnerBytes& line : now) {
    if (line.cls != cls) continue;
    changes[line.owner].now = line.bytes;
    changes[line.owner].blocks_now = line.blocks;
  }
  std::vector<std::pair<std::string, Change>> sorted(changes.begin(), changes.end());
  std::erase_if(sorted, [](const auto& c) { return c.second.before == c.second.now; });
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) {
    return std::abs(a.second.now - a.second.before) > std::abs(b.second.now - b.second.before);
  });
  std::string text;
  for (const auto& [owner, c] : sorted) {
    text += fmt::format("\n    {}: {} ({} blocks before, {} now)", owner, change(c.before, c.now),
                        c.blocks_before, c.blocks_now);
  }
  return text;
}

// Whether the bytes of any class increased.
bool any_class_grew(const std::vector<OwnerBytes>& before, const std::vector<OwnerBytes>& now) {
  const Sums sums_before = by_class(before);
  const Sums sums_now = by_class(now);
  for (std::size_t c = 0; c < sums_now.size(); ++c)
    if (sums_now[c] > sums_before[c]) return true;
  return false;
}

std::string differences(std::string_view location, const std::vector<OwnerBytes>& before,
                        const std::vector<OwnerBytes>& now) {
  const Sums sums_before = by_class(before);
  const Sums sums_now = by_class(now);
  std::string text;
  for (std::size_t c = 0; c < sums_now.size(); ++c) {
    if (sums_before[c] == sums_now[c]) continue;
    text += fmt::format("\n  {} {}: {}{}", location, kClassNames[c], change(sums_before[c], sums_now[c]),
                        owner_changes(static_cast<Class>(c), before, now));
  }
  return text;
}

}  // namespace

LeakGate::LeakGate(const Ledger& ledger, LeakPolicy policy) : ledger_(ledger), policy_(policy) {}

std::optional<std::string> LeakGate::check(std::int64_t step) {
  if (policy_ == LeakPolicy::off) return std::nullopt;
  std::vector<OwnerBytes> host = ledger_.owners(Ledger::Location::host);
  std::vector<OwnerBytes> device = ledger_.owners(Ledger::Location::device);
  std::string text;
  if (armed_) text = differences("host", before_host_, host) + differences("device", before_device_, device);
  const bool grew = any_class_grew(before_host_, host) || any_class_grew(before_device_, device);
  before_host_ = std::move(host);
  before_device_ = std::move(device);
  if (!std::exchange(armed_, true) || text.empty()) return std::nullopt;
  text = fmt::format("live bytes at the end of step {} differ from those at the end of the step before{}",
                     step, text);
  if (policy_ == LeakPolicy::warn) return text;
  const std::string cause =
      grew ? "a tensor outlives its step: a loss summed with its graph (use .detach() or .item()), a tensor "
             "kept in a container, a gradient not freed"
           : "the step freed memory that the steps before it kept";
  throw Error(ExitCode::memory, reported(fmt::format("{}\n  {}; memory.leak=warn continues", text, cause)));
}

}  // namespace ebb::memory
