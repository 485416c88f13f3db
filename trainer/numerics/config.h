// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "config/section.h"
#include "numerics/dtype.h"

namespace ebb::numerics {

struct LossScaleConfig {
  double initial = 65536;
  double floor = 1.0 / 16;  // below it the run has diverged: code 6
  double ceiling = 16777216;
  std::int64_t growth_interval = 1000;  // accepted steps in a row before the scale doubles
  std::int64_t hysteresis = 1;          // overflows since the last growth that do not halve the scale
  void describe(config::Section& s);
  [[nodiscard]] std::string problem() const;  // of the values together, as text; empty: none
};

// The `precision` section.
struct PrecisionConfig {
  Dtype dtype = Dtype::fp16;  // of parameters, gradients, activations and inputs
  LossScaleConfig loss_scale;
  void describe(config::Section& s);
};

}  // namespace ebb::numerics
