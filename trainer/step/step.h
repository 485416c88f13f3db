#pragma once
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/phase.h"
#include "memory/leak_gate.h"
#include "memory/ledger.h"
#include "numerics/loss_scaler.h"
#include "optim/optimizer.h"
#include "parallel/gradient_reducer.h"
#include "step/step_control.h"

namespace ebb::step {

// A phase with what trains it. Owned by the caller.
struct BoundPhase {
  core::Phase& phase;
  std::vector<core::Parameter> parameters;
  optim::Optimizer& optimizer;
  numerics::LossScaler& scaler;
  parallel::GradientReducer& reducer;
};

struct StepReport {
  std::int64_t step = 0;
  std::vector<PhaseReport> phases;
  memory::StageSeconds seconds{};  // of this rank
  // Each rank's, as told in the step's message: what comes after it is the step before's (the update, and in
  // `setup` what was done between the steps).
  std::vector<memory::StageSeconds> rank_seconds;
  bool stop = false;                  // agreed: end after this step
  std::string leak;                   // what stayed, where the policy is to warn; else empty
  [[nodiscard]] bool taken() const {  // no phase was skipped
    return std::none_of(phases.begin(), phases.end(), [](const PhaseReport& p) { return p.skipped; });
  }
};

// Where the parts of a step come from.
struct StepSources {
  std::function<core::Batch()> next_batch;  // this rank's next micro-batch, on the run's device
  std::function<double(std::int64_t step)> learning_rate;
  std::int64_t micro_batches = 1;
};

// One step: forward, backward, reduce, update for each phase. When it returns, everything that it made is
// freed, and the leak gate has compared what is alive with the step before.
class Step {
 public:
  Step(std::vector<BoundPhase> phases, StepSources sources, StepControl& control, core::UnitRunner& runner,
       memory::Ledger& ledger, memory::LeakGate& gate);
  StepReport run(std::int64_t step);

 private:
  void run_phase(BoundPhase& bound, StepReport& report);
  void enter(memory::Stage stage, StepReport& report);
  [[nodiscard]] memory::StageSeconds told(const StepReport& report) const;

  std::vector<BoundPhase> phases_;
  StepSources sources_;
  StepControl& control_;
  core::UnitRunner& runner_;
  memory::Ledger& ledger_;
  memory::LeakGate& gate_;
  std::chrono::steady_clock::time_point since_;
  double last_update_s_ = 0, updates_before_last_s_ = 0, between_s_ = 0;  // see told()
};

}  // namespace ebb::step
