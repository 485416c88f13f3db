// SPDX-License-Identifier: Apache-2.0
#include "telemetry/step_times.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace ebb::telemetry {
namespace {

constexpr std::size_t kCapacity = 1000;

// Returns the smallest value that is at least as large as this part of the sorted values.
double quantile(const std::vector<double>& sorted, double part) {
  const auto rank = static_cast<std::size_t>(std::ceil(part * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

double total_seconds(const memory::StageSeconds& seconds) {
  return std::accumulate(seconds.begin(), seconds.end(), 0.0);
}

void StepTimes::add(const memory::StageSeconds& seconds) {
  if (steps_.size() < kCapacity) {
    steps_.push_back(seconds);
    return;
  }
  steps_[next_] = seconds;
  next_ = (next_ + 1) % kCapacity;
}

std::optional<StepTimeSummary> StepTimes::summarize() {
  if (steps_.empty()) return std::nullopt;
  StepTimeSummary summary;
  summary.steps = static_cast<std::int64_t>(steps_.size());
  std::vector<double> totals;
  for (const memory::StageSeconds& step : steps_) {
    totals.push_back(total_seconds(step));
    for (std::size_t i = 0; i < step.size(); ++i) summary.share[i] += step[i];
  }
  const double all = std::accumulate(totals.begin(), totals.end(), 0.0);
  for (double& share : summary.share) share = all > 0 ? share / all : 0;
  std::ranges::sort(totals);
  summary.p50_s = quantile(totals, 0.5);
  summary.p95_s = quantile(totals, 0.95);
  steps_.clear();
  next_ = 0;
  return summary;
}

}  // namespace ebb::telemetry
