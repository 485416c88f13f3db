// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "checkpoint/lease.h"
#include "checkpoint/store.h"
#include "core/unit.h"
#include "models/runner_factory.h"
#include "step/step.h"
#include "telemetry/heartbeat.h"
#include "train/cursor.h"
#include "train/environment.h"
#include "train/evaluation.h"
#include "train/image_measures.h"
#include "train/memory_check.h"
#include "train/memory_report.h"
#include "train/report_request.h"
#include "train/rollback_points.h"
#include "train/run_listener.h"
#include "train/stop_request.h"
#include "train/trainees.h"
#include "train/training_data.h"

namespace ebb::train {

// The checkpoint store of a run, and the lease that permits it to write there.
struct RunStorage {
  checkpoint::Store& store;
  checkpoint::RunConfiguration configuration;
  const checkpoint::Lease* lease;  // rank 0's; null elsewhere
};

// What signals request of a run.
struct RunSignals {
  const StopRequest& stop;
  ReportRequest& report;
  MemoryReporter& reporter;         // writes what `report` requests
  telemetry::Heartbeat* heartbeat;  // learns each step; null: there is none
};

// The loop of one run, from its first step or a checkpoint to its end. Its members exist as long as the run.
// Memory that outlives a step is allocated before the first one.
class Training {
 public:
  // Collective. `plan`: of check_memory().
  Training(const Config& config, Environment& environment, Splits splits, RunStorage storage,
           RunSignals signals, CheckedPlan plan, const models::RunnerFactory& make_runner);
  // Returns ok or stopped. Collective.
  ExitCode run(const std::optional<checkpoint::CheckpointFolder>& found);
  // Returns a sentence for an error message: the checkpoint from which the run can resume.
  [[nodiscard]] std::string resume_hint(const std::optional<checkpoint::CheckpointFolder>& found) const;

 private:
  void load_checkpoint(const checkpoint::CheckpointFolder& found);
  void load(const std::optional<checkpoint::CheckpointFolder>& found, const Cursor* diverged = nullptr);
  ExitCode run_steps();
  void check(step::StepReport& report);
  void prepare_measures();
  void try_outputs();
  void roll_back(const DivergenceError& error, std::int64_t delay);
  void start(const std::optional<checkpoint::CheckpointFolder>& found);
  void save();
  Evaluation evaluate();
  void add_bound(Evaluation& result);
  void sample();
  void report_memory();
  ExitCode stopped();
  ExitCode finished();
  [[nodiscard]] checkpoint::Parts parts();

  const Config& config_;
  Environment& environment_;
  Splits splits_;  // empty once data_ has them
  RunStorage storage_;
  RunSignals signals_;
  CheckedPlan plan_;
  MemoryBudget budget_;
  Trainees trainees_;
  std::unique_ptr<core::UnitRunner> runner_;  // of training, evaluation and samples
  Cursor cursor_;
  std::unique_ptr<TrainingData> data_;
  std::unique_ptr<ImageMeasures> image_measures_;  // null: evaluations generate no images
  RunListeners listeners_;
  std::int64_t saved_ = -1;  // step of the last checkpoint of this process; -1: none
  RollbackPoints rollback_points_;
  std::vector<checkpoint::Change> changes_;  // since the loaded checkpoint
  std::int64_t begun_ = 0;                   // steps begun: one more than cursor_.step within a step
};

}  // namespace ebb::train
