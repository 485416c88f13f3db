// SPDX-License-Identifier: Apache-2.0
#include "step/dry_step_control.h"

#include "memory/ledger.h"
#include "numerics/update.h"
#include "step/agreed_step_control.h"

namespace ebb::step {

Decision DryStepControl::decide(const DecisionInput& input, numerics::LossScaler& scaler,
                                PhaseReport& report) {
  const memory::Tag tag(memory::Class::communication, "agreement");
  const at::Tensor stats = numerics::gradient_stats(input.gradients);
  const at::Tensor mine = at::zeros({1 + std::int64_t{ranks_} * memory::kStages},
                                    at::TensorOptions().dtype(at::kDouble).device(at::kMeta));
  const at::Tensor message = agreement_message(input.losses, stats, mine);
  const at::Tensor agreed = at::cat({message, stats.flatten()});
  report.scale = scaler.scale();
  report.rank_seconds.resize(static_cast<std::size_t>(ranks_));
  Decision decision;
  decision.apply = true;
  return decision;
}

}  // namespace ebb::step
