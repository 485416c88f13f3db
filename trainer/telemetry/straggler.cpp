// SPDX-License-Identifier: Apache-2.0
#include "telemetry/straggler.h"

#include <fmt/format.h>

#include <algorithm>

#include "telemetry/step_times.h"

namespace ebb::telemetry {
namespace {

using memory::Stage;
using memory::StageSeconds;

constexpr double kShareOfStep = 0.1;
constexpr double kMinimum_s = 5e-3;  // shorter delays come from the operating system's scheduler
constexpr std::size_t kWindow = 20;
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
  if (!found) return std::nullopt;
  const auto same = [&](const std::optional<Straggler>& s) { return s && s->rank == found->rank; };
  const auto times = std::count_if(recent_.begin(), recent_.end(), same);
  std::int64_t& silent_until = silent_until_[static_cast<std::size_t>(found->rank)];
  if (static_cast<std::size_t>(times) < kWindow / 2 || step < silent_until) return std::nullopt;
  silent_until = step + kSilentSteps;
  double delay_s = 0, step_s = 0;
  for (const auto& s : recent_) {
    if (!same(s)) continue;
    delay_s += s->delay_s;
    step_s += s->step_s;
  }
  return fmt::format(
      "rank {} ({}) is slow: the other ranks waited for it in {} of the last {} steps, for {:.0f} % of such "
      "a "
      "step ({:.0f} of {:.0f} ms), mostly in {}. Look for other load on that host. metrics.jsonl has the "
      "times of every rank.",
      found->rank, hosts_[static_cast<std::size_t>(found->rank)], times, recent_.size(),
      100 * delay_s / step_s, 1e3 * delay_s / static_cast<double>(times),
      1e3 * step_s / static_cast<double>(times), name(found->stage));
}

}  // namespace ebb::telemetry
