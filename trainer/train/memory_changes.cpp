// SPDX-License-Identifier: Apache-2.0
#include "train/memory_changes.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "base/units.h"

namespace ebb::train {
namespace {

// The numbers of micro-batches above the configured one that divide the samples of a rank, ascending.
std::vector<std::int64_t> possible_micro_batches(const Config& config, int world_size) {
  const std::int64_t share = config.data.batch / world_size;
  std::vector<std::int64_t> found;
  for (std::int64_t i = 1; i * i <= share; ++i)
    if (share % i == 0)
      for (const std::int64_t divisor : {i, share / i})
        if (divisor > config.data.micro_batch_count() && divisor <= data::kMostMicroBatches)
          found.push_back(divisor);
  std::ranges::sort(found);
  return found;
}

class Search {
 public:
  Search(const Config& config, const PlannedRun& run, const MemoryNeed& need, const AvailableToRun& available)
      : config_(config), run_(run), need_(need), available_(available) {}

  std::vector<MemoryChange> find() {
    if (state_fits(need_)) {
      without_cache();
      more_micro_batches();
    } else {
      found_.push_back({false, fmt::format("what a rank keeps between steps needs {} alone",
                                           format_bytes(state_of(need_)))});
    }
    half_precision();
    fewer_ranks();
    together();
    // A ranges::stable_partition returns a subrange, which clang 14 cannot instantiate with this libstdc++.
    std::stable_partition(found_.begin(), found_.end(),
                          [](const MemoryChange& change) { return change.fits; });
    return std::move(found_);
  }

 private:
  // What lives between two steps, except for the slots of the data, depends neither on batches nor on the
  // cache. If that is too large already, no such change helps.
  static std::int64_t state_of(const MemoryNeed& need) {
    const memory::Sums& live = need.plan.live;
    return std::accumulate(live.begin(), live.end(), need.process.anonymous) -
           live[static_cast<std::size_t>(memory::Class::data)];
  }
  [[nodiscard]] bool state_fits(const MemoryNeed& need) const {
    return need.ranks * state_of(need) <= available_.bytes;
  }

  // The need of another configuration; the present need if it cannot be trained or planned.
  [[nodiscard]] MemoryNeed need_of(const Config& config) const {
    return need_with(need_, config, run_).value_or(need_);
  }
  [[nodiscard]] bool fits(const MemoryNeed& need) const { return need.of_host() <= available_.bytes; }
  void add(const std::string& change, const MemoryNeed& need) {
    if (need.of_rank() >= need_.of_rank()) return;
    found_.push_back(
        {fits(need), fmt::format("{} needs {} on each rank", change, format_bytes(need.of_rank_alone()))});
  }

  void without_cache() {
    Config config = config_;
    config.memory.host_cache = 0;
    add("memory.host_cache=0 (slower)", need_of(config));
  }

  void more_micro_batches() {
    if (const auto found = fewest_micro_batches(config_, run_, need_, available_))
      add(fmt::format("data.micro_batches={}", found->count), found->need);
  }

  void half_precision() {
    if (config_.precision.dtype != numerics::Dtype::fp32) return;
    Config config = config_;
    config.precision.dtype = numerics::Dtype::bf16;
    add("precision.dtype=bf16", need_of(config));
  }

  void fewer_ranks() {
    if (need_.ranks == 1 || available_.is_of_each_rank) return;
    const std::int64_t fit = available_.bytes / std::max<std::int64_t>(1, need_.of_rank_alone());
    if (fit < 1) return;
    found_.push_back(
        {true, fmt::format("at most {} of these ranks here need {}, the others go to other hosts", fit,
                           format_bytes(fit * need_.of_rank_alone()))});
  }

  // If no single change fits: several at once, with all ranks of the host, then with half as many, and so on.
  // If none fits, the need of the last says how much memory would do. Where the state alone is too large, no
  // change of batches is proposed.
  void together() {
    if (std::ranges::any_of(found_, &MemoryChange::fits)) return;
    std::optional<Changed> least;
    for (int ranks = need_.ranks; ranks > 0; ranks /= 2) {
      Changed changed = all_changes(ranks);
      if (!state_fits(changed.need)) continue;
      least = std::move(changed);
      if (fits(least->need) || available_.is_of_each_rank) break;
    }
    if (!least || least->keys.empty() || least->need.of_host() >= need_.of_host()) return;
    const int ranks = least->need.ranks;
    if (least->keys.size() == 1 && ranks == need_.ranks) return;
    std::string text;
    if (ranks < need_.ranks) text = fmt::format("{} rank{} here with ", ranks, ranks == 1 ? "" : "s");
    text +=
        fmt::format("{} needs {}", fmt::join(least->keys, " "), format_bytes(least->need.of_rank_alone()));
    if (ranks > 1) text += " on each rank";
    found_.push_back({fits(least->need), text});
  }

  struct Changed {
    MemoryNeed need;
    std::vector<std::string> keys;  // "data.micro_batches=4"
  };
  [[nodiscard]] Changed all_changes(int ranks) const {
    Changed changed{need_, {}};
    changed.need.ranks = ranks;
    Config config = config_;
    if (config.precision.dtype == numerics::Dtype::fp32) {
      config.precision.dtype = numerics::Dtype::bf16;
      changed.need = need_with(changed.need, config, run_).value_or(changed.need);
      changed.keys.emplace_back("precision.dtype=bf16");
    }
    if (const auto found = fewest_micro_batches(config, run_, changed.need, available_)) {
      config.data.micro_batches = found->count;
      changed.need = found->need;
      changed.keys.push_back(fmt::format("data.micro_batches={}", found->count));
    }
    if (!fits(changed.need)) {
      config.memory.host_cache = 0;
      const MemoryNeed without = need_with(changed.need, config, run_).value_or(changed.need);
      if (without.of_rank() < changed.need.of_rank()) {
        changed.need = without;
        changed.keys.emplace_back("memory.host_cache=0");
      }
    }
    return changed;
  }

  const Config& config_;
  const PlannedRun& run_;
  const MemoryNeed& need_;
  const AvailableToRun& available_;
  std::vector<MemoryChange> found_;
};

}  // namespace

std::optional<MemoryNeed> need_with(const MemoryNeed& need, const Config& config, const PlannedRun& run) {
  try {
    return MemoryNeed{plan_memory(config, run), need.process, need.ranks};
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::optional<MicroBatches> fewest_micro_batches(const Config& start, const PlannedRun& run,
                                                 const MemoryNeed& present, const AvailableToRun& available) {
  const std::vector<std::int64_t> possible = possible_micro_batches(start, run.ranks);
  if (possible.empty()) return std::nullopt;
  Config config = start;
  std::map<std::int64_t, MemoryNeed> planned;
  const auto need = [&](std::int64_t count) -> const MemoryNeed& {
    config.data.micro_batches = count;
    const auto found = planned.find(count);
    if (found != planned.end()) return found->second;
    return planned.emplace(count, need_with(present, config, run).value_or(present)).first->second;
  };
  const auto fits = [&](std::int64_t count) { return need(count).of_host() <= available.bytes; };
  std::int64_t chosen = possible.back();
  if (fits(chosen))
    chosen = *std::ranges::partition_point(possible, [&](std::int64_t count) { return !fits(count); });
  return MicroBatches{chosen, need(chosen)};
}

MicroBatches automatic_micro_batches(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                                     const AvailableToRun& available) {
  constexpr std::int64_t kMargin = 100;
  AvailableToRun most = available;
  most.bytes -= most.bytes / kMargin;
  if (most.bytes < 0 || need.of_host() <= most.bytes) return {1, need};
  return fewest_micro_batches(config, run, need, most).value_or(MicroBatches{1, need});
}

std::vector<MemoryChange> find_memory_changes(const Config& config, const PlannedRun& run,
                                              const MemoryNeed& need, const AvailableToRun& available) {
  return Search(config, run, need, available).find();
}

// The need is nearly linear in the value, so it interpolates between the nearest values on both sides. Every
// second round bisects, for a need that is not.
LargestValue find_largest_value(std::int64_t start, std::int64_t limit, std::int64_t available,
                                const std::function<std::optional<std::int64_t>(std::int64_t)>& need) {
  constexpr int kMostCalls = 12;
  struct Point {
    std::int64_t value;
    double need;  // -1: unknown
  };
  int calls = 0;
  bool refused = false;  // a value cannot be planned, so its need says nothing about others
  Point fits{0, -1}, too_large{limit + 1, -1};
  const auto attempt = [&](std::int64_t value) {
    ++calls;
    const auto found = need(value);
    refused = refused || !found;
    const Point point{value, found ? static_cast<double>(*found) : -1};
    (found && *found <= available ? fits : too_large) = point;
    return point;
  };
  const Point first = attempt(std::clamp<std::int64_t>(start, 1, limit));
  Point second = first;
  if (fits.value == first.value && first.value < limit) second = attempt(std::min(limit, 2 * first.value));
  if (too_large.value == first.value && first.value > 1) second = attempt(first.value / 2);
  for (bool halves = false; too_large.value - fits.value > 1 && calls < kMostCalls; halves = !halves) {
    const bool bracketed = fits.need >= 0 && too_large.need >= 0;
    const Point a = bracketed ? fits : first, b = bracketed ? too_large : second;
    const double slope = (b.need - a.need) / static_cast<double>(b.value - a.value);
    std::int64_t guess = fits.value + (too_large.value - fits.value) / 2;
    if (refused && too_large.need < 0) guess = std::min(guess, 2 * fits.value);
    if (!halves && !refused && a.need >= 0 && b.need >= 0 && b.value != a.value && slope > 0)
      guess = a.value + static_cast<std::int64_t>(
                            std::clamp((static_cast<double>(available) - a.need) / slope,
                                       -static_cast<double>(a.value), static_cast<double>(limit)));
    guess = std::clamp(guess, fits.value + 1, too_large.value - 1);
    if (attempt(guess).value == fits.value && guess + 1 < too_large.value && calls < kMostCalls)
      attempt(guess + 1);  // the guess is often the largest
  }
  return {fits.value, too_large.value - fits.value == 1};
}

}  // namespace ebb::train
