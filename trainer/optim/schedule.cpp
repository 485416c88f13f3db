// SPDX-License-Identifier: Apache-2.0
#include "optim/schedule.h"

#include <algorithm>
#include <cmath>

namespace ebb::optim {

double learning_rate(const ScheduleConfig& schedule, double peak, std::int64_t step, std::int64_t steps) {
  if (step < schedule.warmup_steps)
    return peak * static_cast<double>(step + 1) / static_cast<double>(schedule.warmup_steps);
  if (schedule.kind == ScheduleKind::constant) return peak;
  // From the peak at the first step after the warm-up to final_ratio at the last one.
  const std::int64_t span = steps - 1 - schedule.warmup_steps;
  const double part =
      span <= 0
          ? 1.0
          : std::min(1.0, static_cast<double>(step - schedule.warmup_steps) / static_cast<double>(span));
  constexpr double kPi = 3.14159265358979323846;
  const double falling =
      schedule.kind == ScheduleKind::linear ? 1.0 - part : 0.5 * (1.0 + std::cos(kPi * part));
  return peak * (schedule.final_ratio + (1.0 - schedule.final_ratio) * falling);
}

}  // namespace ebb::optim
