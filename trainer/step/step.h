// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/batch.h"
#include "core/phase.h"
#include "memory/leak_gate.h"
#include "memory/ledger.h"
#include "step/step_control.h"
#include "step/trainee.h"

namespace ebb::step {

// A phase with the trainee that it trains. Owned by the caller.
struct BoundPhase {
  core::Phase& phase;
  Trainee& trainee;
};

// Returns the number of global batches that one step of the phases reads from the stream. Error(internal):
// the first phase reuses the batch of the phase before it, but there is none.
std::int64_t batches_per_step(const std::vector<core::Phase*>& phases);
// Returns whether the step keeps the micro-batches of a run: the next run reuses them, or an overflow is
// traced with them.
bool keeps_batches(const std::vector<core::Phase*>& phases);

struct StepReport {
  std::int64_t step = 0;
  std::vector<PhaseReport> phase_runs;  // one for each run of a phase, in order
  memory::StageSeconds seconds{};       // of this rank
  // Times of each rank, from the last exchange of the step (AgreedStepControl). The stages after it have the
  // times of the previous step: `update`, and in `setup` the work between the two steps.
  std::vector<memory::StageSeconds> rank_seconds;
  bool stop = false;                    // end after this step; the same on every rank
  std::string leak;                     // with the policy `warn`, the text of the leak gate; else empty
  [[nodiscard]] bool applied() const {  // no run of a phase was skipped
    return std::none_of(phase_runs.begin(), phase_runs.end(), [](const PhaseReport& p) { return p.skipped; });
  }
};

// The data sources of a step.
struct StepSources {
  // Returns this rank's next micro-batch, in memory of the source.
  std::function<core::Batch()> next_batch;
  // Returns the same batch with its tensors on the run's device.
  std::function<core::Batch(const core::Batch&)> to_device;
  std::int64_t micro_batches = 1;
};

// One step: forward, backward, reduce, decide and update for each run of each phase. A skipped update does
// not stop the later phases. run() frees all its memory, and the leak gate compares the live bytes with those
// of the step before.
class Step {
 public:
  Step(std::vector<BoundPhase> phases, StepSources sources, StepControl& control, core::UnitRunner& runner,
       memory::Ledger& ledger, memory::LeakGate& gate);
  StepReport run(std::int64_t step);

 private:
  // One run of a phase; a phase that repeats has several in a step.
  struct Run {
    BoundPhase bound;
    core::PhasePlan plan;
    bool shares;  // uses the micro-batches that the run before it kept
    bool keeps;   // keeps its micro-batches for the run after it
  };
  void run_phase(const Run& run, StepReport& report);
  core::Batch take_batch(const Run& run, std::int64_t micro);
  std::vector<at::Tensor> gradients_of_part(const Run& run, std::size_t part, StepReport& report);
  void enter(memory::Stage stage, StepReport& report);
  [[nodiscard]] memory::StageSeconds seconds_to_report(const StepReport& report) const;

  std::vector<Run> runs_;  // of one step, in order
  std::vector<Trainee*> trainees_;
  bool names_phases_;  // the ledger keeps peaks by phase: there is more than one
  StepSources sources_;
  StepControl& control_;
  core::UnitRunner& runner_;
  memory::Ledger& ledger_;
  memory::LeakGate& gate_;
  std::vector<core::Batch> kept_micro_batches_;  // of this run or the one before it; empty between steps
  std::chrono::steady_clock::time_point since_;
  // Seconds of a step's last update, of its earlier updates, and between two steps.
  double last_update_s_ = 0, earlier_updates_s_ = 0, between_steps_s_ = 0;
};

}  // namespace ebb::step
