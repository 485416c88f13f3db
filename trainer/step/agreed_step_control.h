// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <vector>

#include "comm/communicator.h"
#include "step/step_control.h"

namespace ebb::step {

// The message of one rank: [loss, terms…, overflow, stop, seconds by rank and stage, sums…] in fp64, which
// the ranks add up. `stats`: of the gradients, as numerics::gradient_stats() returns them. `mine`: the stop
// flag and the seconds; those of the other ranks are zero.
at::Tensor agreement_message(const LossSums& losses, const at::Tensor& stats, const at::Tensor& mine);

// The decision of a real run. All ranks agree on losses, overflow and the stop flag in one collective for
// each run of a phase, so that all ranks take the same decision in the same step. It also carries each rank's
// stage times. Each overflow of a gradient is traced to the terms of the loss (overflow.h).
class AgreedStepControl final : public StepControl {
 public:
  // It calls `stop_requested` once for each run of a phase on this rank.
  AgreedStepControl(comm::Communicator& communicator, std::function<bool()> stop_requested);
  Decision decide(const DecisionInput& input, numerics::LossScaler& scaler, PhaseReport& report) override;

 private:
  std::vector<double> agree(const DecisionInput& input);

  comm::Communicator& communicator_;
  std::function<bool()> stop_requested_;
};

}  // namespace ebb::step
