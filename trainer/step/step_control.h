// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstddef>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "core/phase.h"
#include "core/unit.h"
#include "memory/classes.h"
#include "numerics/loss_scaler.h"
#include "step/loss_sums.h"

namespace ebb::step {

// The result of one run of a phase. Losses are means over the global batch. All but the reduction times are
// the same on every rank.
struct PhaseReport {
  std::string phase;
  double loss = 0;
  std::vector<std::pair<std::string, double>> terms;
  double learning_rate = 0;
  std::vector<std::pair<std::string, double>> scheduled;  // other values with a schedule
  double scale = 1;                                       // the loss scale of this phase in the step
  double gradient_norm = 0;                               // before clipping, without the loss scale
  bool skipped = false;
  std::string overflowed;  // first parameter whose gradient was not finite; empty if none
  // The parts of the loss whose gradient of that parameter was not finite; kOnlySum if each is finite. Empty
  // if the cause is not traced: the loss has no parts, or a term is not finite.
  std::vector<std::string> overflowed_by;
  std::string overflowed_term;   // first term of the loss that was not finite, or "loss"; empty if none
  std::string overflowed_scale;  // core::PhaseConclusion::overflowed_scale
  std::string warning;           // core::PhaseConclusion::warning
  std::int64_t warning_delay = 0;
  std::vector<memory::StageSeconds> rank_seconds;  // each rank's DecisionInput::seconds
  // Of this rank: the duration of the reduction, and the part of it that the step waited for.
  double reduction_s = 0, reduction_waited_s = 0;
};

inline constexpr const char* kOnlySum = "sum";

struct Decision {
  bool apply = false;  // the optimizer applies the update
  bool stop = false;   // end the run after this step
};

// One rank's input to the decision about one run of a phase.
struct DecisionInput {
  core::Phase& phase;
  const LossSums& losses;
  const std::vector<at::Tensor>& gradients;  // already summed over ranks, in the order of `parameters`
  const std::vector<core::Parameter>& parameters;
  memory::StageSeconds seconds{};  // this rank's time by stage, so far
  // Repeats the run for one part of the loss, and returns the gradients of that part: as `gradients`, but
  // those of a parameter without one are zero. Collective, before core::Phase::conclude(). It frees
  // `gradients` and the values of `losses`. Null: the phase does not trace overflows.
  std::function<std::vector<at::Tensor>(std::size_t part)> gradients_of_part = {};
};

// Makes every decision of a step that depends on tensor values: skip, stop, or end the run as diverged. No
// other code of `step/` reads such values.
class StepControl {
 public:
  virtual ~StepControl() = default;
  // Called once for each run of a phase, after its gradients are reduced. Sets all of the report except its
  // name, learning rate, scheduled values and reduction times. Calls core::Phase::conclude(), and updates the
  // scaler; a dry run does neither. Every rank gets the same decision. Error(numerics): the run has diverged
  // (LossScaler::update()).
  virtual Decision decide(const DecisionInput& input, numerics::LossScaler& scaler, PhaseReport& report) = 0;
};

}  // namespace ebb::step
