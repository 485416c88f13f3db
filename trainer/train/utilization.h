// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include "models/model.h"
#include "train/environment.h"

namespace ebb::train {

// Model FLOPs utilisation: the floating-point operations a second of a model, as a share of the rate at which
// the devices of all ranks multiply large matrices.
class Utilization {
 public:
  // Unknown: of_step() returns 0.
  Utilization() = default;
  // `rate`: in operations a second, of all ranks together. `flops_per_sample`: of forward and backward.
  Utilization(double flops_per_sample, double rate) : flops_per_sample_(flops_per_sample), rate_(rate) {}

  // The share in a step, from 0 to 1. A step that is faster than the rate shows that the rate was measured
  // too low, and raises it.
  double of_step(double samples, double seconds);
  [[nodiscard]] double rate() const { return rate_; }

 private:
  double flops_per_sample_ = 0, rate_ = 0;
};

// Measures the rate on all ranks at once, as they will compute. Each rank uses the highest rate that this
// machine has measured or a run has reached. Unknown if the model does not count its operations. Collective.
Utilization measure_utilization(const Config& config, const Environment& environment, models::Model& model);

// Stores a rate that a run has raised, for later runs. Called by rank 0.
void store_rate(const Utilization& utilization, const Config& config, const comm::World& world,
                at::Device device);

}  // namespace ebb::train
