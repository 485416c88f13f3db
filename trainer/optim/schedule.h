// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "optim/config.h"

namespace ebb::optim {

// Learning rate of `step` (from 0) of a schedule of `steps`: linear warm-up from lr/warmup, then the curve
// down to final_ratio * lr at its last step, and constant after it.
double learning_rate(const ScheduleConfig& schedule, double peak, std::int64_t step, std::int64_t steps);

}  // namespace ebb::optim
