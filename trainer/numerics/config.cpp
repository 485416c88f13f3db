// SPDX-License-Identifier: Apache-2.0
#include "numerics/config.h"

#include <fmt/format.h>

namespace ebb::numerics {

void LossScaleConfig::describe(config::Section& s) {
  s.number("initial", initial)
      .above(0)
      .doc(
          "Loss scale of the first step. Gradients are multiplied by it in backward, so that small ones do "
          "not vanish in fp16.");
  s.number("floor", floor)
      .above(0)
      .doc("A scale below this means that the run has diverged: it ends with code 6.");
  s.number("ceiling", ceiling).above(0).doc("The scale does not grow beyond this.");
  s.integer("growth_interval", growth_interval)
      .at_least(1)
      .unit("steps")
      .doc("Accepted steps in a row before the scale doubles.");
  s.integer("hysteresis", hysteresis)
      .at_least(0)
      .doc(
          "Overflows that skip a step but do not halve the scale; the count starts again after each "
          "growth.");
  s.rule({"initial", "floor", "ceiling"}, [this] { return problem(); });
}

std::string LossScaleConfig::problem() const {
  if (floor <= initial && initial <= ceiling) return "";
  return fmt::format("the initial scale {} is outside of floor {} and ceiling {}: choose it between them",
                     initial, floor, ceiling);
}

void PrecisionConfig::describe(config::Section& s) {
  s.choice("dtype", dtype, {{"fp16", Dtype::fp16}, {"bf16", Dtype::bf16}, {"fp32", Dtype::fp32}})
      .doc("Type of parameters, gradients, activations and inputs. Losses, norms and moments are fp32.")
      .shapes_state();
  s.section("loss_scale", loss_scale, "Dynamic loss scale; used by fp16 only.");
}

}  // namespace ebb::numerics
