// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "config/section.h"

namespace ebb::optim {

enum class ScheduleKind { constant, linear, cosine };

struct ScheduleConfig {
  ScheduleKind kind = ScheduleKind::cosine;
  std::int64_t warmup_steps = 100;
  double final_ratio = 0.0;  // lr at the last step / peak lr
  void describe(config::Section& s);
};

struct OptimizerConfig {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.1,
         clip_norm = 1.0;  // clip_norm 0: none
  ScheduleConfig schedule;
  void describe(config::Section& s);
};

}  // namespace ebb::optim
