// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "step/step_control.h"

namespace ebb::step {

// The decision of a dry run of `ranks` ranks on the meta device: every update is applied. It makes the
// tensors of AgreedStepControl, and reads none of them.
class DryStepControl final : public StepControl {
 public:
  explicit DryStepControl(int ranks) : ranks_(ranks) {}
  Decision decide(const DecisionInput& input, numerics::LossScaler& scaler, PhaseReport& report) override;

 private:
  int ranks_;
};

}  // namespace ebb::step
