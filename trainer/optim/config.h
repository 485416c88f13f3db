// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "config/section.h"
#include "core/schedule.h"

namespace ebb::optim {

enum class ScheduleKind { constant, linear, cosine };

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  std::int64_t warmup_steps = 100;
  double final_ratio = 0.0;  // final lr / peak lr
  std::int64_t samples = 0;  // after which the final lr is reached; 0: at the last step of the run
  void describe(config::Section& s);
  // The steps until the final lr in a run of `steps` steps of `batch` samples.
  [[nodiscard]] std::int64_t length(std::int64_t steps, std::int64_t batch) const;
};

struct OptimizerConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1,
         clip_norm = 1.0;  // clip_norm 0: none
  ScheduleConfig schedule;
  double final_beta2 = 0.999;  // where beta2_schedule ends
  core::Schedule beta2_schedule;
  void describe(config::Section& s);
};

// An exponential moving average of the weights (Polyak averaging), for evaluation and samples.
struct AverageConfig {
  double half_life = 0;  // samples after which the weight of an old value is halved; 0: no average
  core::Schedule ramp;   // of half_life, from 0
  void describe(config::Section& s);
  [[nodiscard]] bool enabled() const { return half_life > 0; }
  // The factor of the old average in an update after `done` samples, which adds `batch` samples.
  [[nodiscard]] double decay(std::int64_t done, std::int64_t batch) const;
};

}  // namespace ebb::optim
