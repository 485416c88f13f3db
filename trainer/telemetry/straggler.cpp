// SPDX-License-Identifier: Apache-2.0
#include "telemetry/straggler.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "telemetry/step_times.h"

namespace ebb::telemetry {
namespace {

using memory::Stage;
using memory::StageSeconds;

constexpr double kShareOfStep = 0.1;
constexpr double kMinimum_s = 5e-3;  // shorter delays come from the operating system's scheduler
constexpr std::size_t kWindow = 20;
constexpr std::ptrdiff_t kSlowSteps = 15;  // of the last ones: one rank is late
constexpr std::ptrdiff_t kTurnSteps = 10;  // any rank is late
constexpr std::size_t kNamed = 4;          // ranks in a report
constexpr std::int64_t kSilentSteps = 500;

double own_time(const StageSeconds& seconds) {
  return total_seconds(seconds) - seconds[static_cast<std::size_t>(Stage::reduce)];
}

// Returns the median over all ranks except `excluded`: the lower one of two middle values.
template <class Value>
double median_of_others(const std::vector<StageSeconds>& ranks, std::size_t excluded, Value value) {
  std::vector<double> others;
  for (std::size_t i = 0; i < ranks.size(); ++i)
    if (i != excluded) others.push_back(value(ranks[i]));
  const auto middle = others.begin() + static_cast<std::ptrdiff_t>((others.size() - 1) / 2);
  std::nth_element(others.begin(), middle, others.end());
  return *middle;
}

}  // namespace

std::optional<Straggler> find_straggler(const std::vector<StageSeconds>& ranks) {
  if (ranks.size() < 2) return std::nullopt;
  const auto by = [](auto value) {
    return [value](const StageSeconds& a, const StageSeconds& b) { return value(a) < value(b); };
  };
  const auto slowest = std::max_element(ranks.begin(), ranks.end(), by(own_time));
  const auto index = static_cast<std::size_t>(slowest - ranks.begin());
  Straggler found;
  found.rank = static_cast<int>(index);
  found.delay_s = own_time(*slowest) - median_of_others(ranks, index, own_time);
  found.step_s = total_seconds(*std::max_element(ranks.begin(), ranks.end(), by(total_seconds)));
  if (found.delay_s <= std::max(kShareOfStep * found.step_s, kMinimum_s)) return std::nullopt;
  double most = 0;
  for (std::size_t stage = 0; stage < memory::kStages; ++stage) {
    if (static_cast<Stage>(stage) == Stage::reduce) continue;
    const auto of_stage = [stage](const StageSeconds& s) { return s[stage]; };
    const double excess = of_stage(*slowest) - median_of_others(ranks, index, of_stage);
    if (excess > most) {
      most = excess;
      found.stage = static_cast<Stage>(stage);
    }
  }
  return found;
}

std::optional<std::string> StragglerWatch::observe(std::int64_t step, const std::optional<Straggler>& found) {
  recent_.push_back(found);
  if (recent_.size() > kWindow) recent_.pop_front();
  // Fewer steps do not tell one slow rank from several in turn.
  if (!found || recent_.size() < kWindow) return std::nullopt;
  std::vector<Late> late = late_ranks();
  const auto delayed = std::ranges::count_if(recent_, [](const auto& one) { return one.has_value(); });
  const bool alone = late.size() == 1 || 3 * late[1].steps < late[0].steps;
  if (alone ? late[0].steps < kSlowSteps : delayed < kTurnSteps) return std::nullopt;
  const bool silent = step < silent_until_;
  if (silent && (!reported_ || late[0].rank == *reported_)) return std::nullopt;
  silent_until_ = step + kSilentSteps;
  if (alone && !silent) {
    reported_ = late[0].rank;
    return describe(late[0]);
  }
  if (silent && std::ranges::find(late, *reported_, &Late::rank) == late.end())
    late.push_back({*reported_, 0});
  reported_.reset();
  return describe(std::move(late));
}

// Those that delayed one of the last steps; the one that delayed most of them is first.
std::vector<StragglerWatch::Late> StragglerWatch::late_ranks() const {
  std::vector<Late> all;
  for (const auto& one : recent_) {
    if (!one) continue;
    const auto known = std::ranges::find(all, one->rank, &Late::rank);
    if (known == all.end())
      all.push_back({one->rank, 1});
    else
      ++known->steps;
  }
  std::ranges::sort(all, [](const Late& a, const Late& b) {
    return a.steps != b.steps ? a.steps > b.steps : a.rank < b.rank;
  });
  return all;
}

std::string StragglerWatch::name_of(int rank) const {
  return fmt::format("rank {} ({})", rank, hosts_[static_cast<std::size_t>(rank)]);
}

// Of the last steps that this rank delayed, or any rank.
std::string StragglerWatch::delay(std::optional<int> rank) const {
  double delay_s = 0, step_s = 0, steps = 0;
  std::array<double, memory::kStages> of_stage{};
  for (const auto& one : recent_) {
    if (!one || (rank && one->rank != *rank)) continue;
    ++steps;
    delay_s += one->delay_s;
    step_s += one->step_s;
    of_stage[static_cast<std::size_t>(one->stage)] += one->delay_s;
  }
  const auto most = std::ranges::max_element(of_stage) - of_stage.begin();
  return fmt::format("for {:.0f} % of such a step ({:.0f} of {:.0f} ms), mostly in {}",
                     100 * delay_s / step_s, 1e3 * delay_s / steps, 1e3 * step_s / steps,
                     name(static_cast<Stage>(most)));
}

std::string StragglerWatch::describe(const Late& late) const {
  return fmt::format(
      "{} is slow: the other ranks waited for it in {} of the last {} steps, {}. Look for other load on that "
      "host. metrics.jsonl has the times of every rank.",
      name_of(late.rank), late.steps, recent_.size(), delay(late.rank));
}

std::string StragglerWatch::describe(std::vector<Late> in_turn) const {
  const auto host_of = [this](const Late& late) { return hosts_[static_cast<std::size_t>(late.rank)]; };
  const bool one_host =
      std::ranges::all_of(in_turn, [&](const Late& late) { return host_of(late) == host_of(in_turn[0]); });
  int steps = 0, of_others = 0;
  for (const Late& late : in_turn) steps += late.steps;
  std::string names;
  for (std::size_t i = 0; i < in_turn.size(); ++i) {
    const Late& late = in_turn[i];
    if (i >= kNamed)
      of_others += late.steps;
    else
      names += fmt::format("{}{} {}", i > 0 ? ", " : "", name_of(late.rank),
                           late.steps > 0 ? fmt::format("in {}", late.steps) : "in earlier steps");
  }
  if (in_turn.size() > kNamed)
    names += fmt::format(", {} other{} in {}", in_turn.size() - kNamed,
                         in_turn.size() == kNamed + 1 ? "" : "s", of_others);
  return fmt::format(
      "the ranks wait for each other in turn: one of them was late in {} of the last {} steps ({}), {}. {} "
      "metrics.jsonl has the times of every rank.",
      steps, recent_.size(), names, delay({}),
      one_host ? "They share one host: probably other programs use its cores, or the ranks have more threads "
                 "than it has cores (parallel.threads)."
               : "Look for other load on their hosts, and for storage or a network that they share.");
}

}  // namespace ebb::telemetry
