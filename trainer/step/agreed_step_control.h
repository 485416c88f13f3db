// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>

#include "comm/communicator.h"
#include "step/step_control.h"

namespace ebb::step {

// The decision of a real run. All ranks agree on losses, overflow and the stop flag in one message for each
// phase, so that no state mixes two steps. The message also contains their times. Collective.
class AgreedStepControl final : public StepControl {
 public:
  // It calls `stop_requested` once for each phase on this rank.
  AgreedStepControl(comm::Communicator& communicator, std::function<bool()> stop_requested);
  Decision decide(const DecisionInput& input, numerics::LossScaler& scaler, PhaseReport& report) override;

 private:
  comm::Communicator& communicator_;
  std::function<bool()> stop_requested_;
};

}  // namespace ebb::step
