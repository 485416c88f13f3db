// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "comm/communicator.h"
#include "step/step_control.h"

namespace ebb::step {

// The decision of a real run. All ranks agree on losses, overflow and the stop flag in one collective for
// each run of a phase, so that all ranks take the same decision in the same step. It also carries each rank's
// stage times.
class AgreedStepControl final : public StepControl {
 public:
  // It calls `stop_requested` once for each run of a phase on this rank.
  AgreedStepControl(comm::Communicator& communicator, std::function<bool()> stop_requested);
  Decision decide(const DecisionInput& input, numerics::LossScaler& scaler, PhaseReport& report) override;

 private:
  comm::Communicator& communicator_;
  std::function<bool()> stop_requested_;
};

}  // namespace ebb::step
