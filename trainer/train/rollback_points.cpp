// SPDX-License-Identifier: Apache-2.0
#include "train/rollback_points.h"

#include <fmt/format.h>

#include <algorithm>

namespace ebb::train {

void RollbackPoints::add(const checkpoint::CheckpointFolder& checkpoint) {
  std::erase_if(points_, [&](const auto& point) { return point.step >= checkpoint.step; });
  points_.push_back(checkpoint);
  if (std::ssize(points_) > std::max<std::int64_t>(keep_, 1)) points_.erase(points_.begin());
  if (checkpoint.step >= furthest_) rollbacks_ = 0;
}

checkpoint::CheckpointFolder RollbackPoints::go_back(const DivergenceError& error, std::int64_t begun,
                                                     std::int64_t delay) {
  if (points_.empty())
    throw DivergenceError(fmt::format("{}\n  there is no checkpoint to go back to", error.what()));
  if (points_.front().step >= begun)
    throw DivergenceError(fmt::format("{}\n  the only checkpoint, of step {}, has the same weights",
                                      error.what(), points_.front().step));
  if (rollbacks_ == kMaxRollbacks)
    throw DivergenceError(
        fmt::format("{}\n  the run has gone back {} times, each time with other samples, and has not come "
                    "past step {}",
                    error.what(), kMaxRollbacks, furthest_));
  ++rollbacks_;
  furthest_ = std::max(furthest_, begun);
  const std::int64_t last_good = std::max(points_.front().step, begun - std::max<std::int64_t>(delay, 1));
  std::erase_if(points_, [&](const auto& point) { return point.step > last_good; });
  return points_.back();
}

}  // namespace ebb::train
