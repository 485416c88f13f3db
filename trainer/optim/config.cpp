// SPDX-License-Identifier: Apache-2.0
#include "optim/config.h"

#include <cmath>

namespace ebb::optim {

void ScheduleConfig::describe(config::Section& s) {
  s.choice("kind", kind,
           {{"constant", ScheduleKind::constant},
            {"linear", ScheduleKind::linear},
            {"cosine", ScheduleKind::cosine}})
      .doc("Curve of the learning rate after the warm-up.");
  s.integer("warmup_steps", warmup_steps)
      .at_least(0)
      .unit("steps")
      .doc("Steps over which the learning rate rises linearly to its peak.");
  s.number("final_ratio", final_ratio)
      .at_least(0)
      .at_most(1)
      .doc("Final learning rate as a fraction of the peak; linear and cosine end there.");
  s.integer("samples", samples)
      .at_least(0)
      .unit("samples")
      .doc(
          "Samples (steps times data.batch) until the final learning rate. 0: until the last step of the "
          "run.");
}

std::int64_t ScheduleConfig::length(std::int64_t steps, std::int64_t batch) const {
  return samples > 0 ? (samples - 1) / batch + 1 : steps;
}

void OptimizerConfig::describe(config::Section& s) {
  s.removed("kind", "leave it out: AdamW is the only optimizer");
  s.number("lr", lr).above(0).doc("Peak learning rate.");
  s.number("beta1", beta1).at_least(0).below(1).doc("Decay of the first moment (the mean gradient).");
  s.number("beta2", beta2)
      .at_least(0)
      .below(1)
      .doc("Decay of the second moment (the mean squared gradient).");
  s.number("eps", eps).above(0).doc("Added to the root of the second moment.");
  s.number("weight_decay", weight_decay)
      .at_least(0)
      .doc("Decoupled weight decay of matrices; biases and norms do not decay.");
  s.number("clip_norm", clip_norm)
      .at_least(0)
      .doc("Gradients are scaled down to this global norm; 0: no clipping.");
  s.section("schedule", schedule, "Learning rate over the run.");
  s.number("final_beta2", final_beta2)
      .at_least(0)
      .below(1)
      .doc("Decay of the second moment at the end of beta2_schedule.");
  s.section("beta2_schedule", beta2_schedule, "Course of beta2 to final_beta2.");
}

void AverageConfig::describe(config::Section& s) {
  s.number("half_life", half_life)
      .at_least(0)
      .unit("samples")
      .doc("Samples after which the share of an old weight in the average is halved; 0: no average.");
  s.section("ramp", ramp, "Growth of the half-life from 0; constant: the half-life from the first step on.");
}

double AverageConfig::decay(std::int64_t done, std::int64_t batch) const {
  const double now = ramp.curve == core::Curve::constant ? half_life : ramp.value(0, half_life, done);
  return now > 0 ? std::exp2(-static_cast<double>(batch) / now) : 0.0;
}

}  // namespace ebb::optim
