// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "memory/block_cache.h"
#include "memory/growth_watch.h"
#include "memory/ledger.h"
#include "telemetry/memory_log.h"
#include "telemetry/metrics.h"
#include "telemetry/progress.h"
#include "telemetry/step_times.h"
#include "telemetry/straggler.h"
#include "train/config.h"
#include "train/run_listener.h"
#include "train/utilization.h"

namespace ebb::train {

// Writes the logs of a run: RUN/memory/rank-NNNNN.jsonl on every rank; RUN/metrics.jsonl and the screen on
// rank 0.
class RunLogger final : public RunListener {
 public:
  // Collective.
  RunLogger(const Config& config, comm::World& world, memory::Ledger& ledger, const memory::BlockCache& cache,
            at::Device device);
  void started(const RunStart& start) override;
  void stepped(const step::StepReport& report) override;
  void evaluating(std::int64_t steps) override;
  void evaluated(std::int64_t steps, const Evaluation& result, double seconds) override;
  void sampled() override;
  void saved(const std::filesystem::path&, double) override {}
  void step_completed(std::int64_t step) override;
  void rolled_back(const Rollback& rollback) override;
  void ended(const std::string& note) override;

 private:
  void open_logs(std::int64_t first_step);
  void report_changes(std::int64_t steps, const std::vector<checkpoint::Change>& changes);
  void show(const step::StepReport& report, const telemetry::StepMetrics& line);

  const Config& config_;
  const comm::World& world_;
  memory::Ledger& ledger_;
  const memory::BlockCache& cache_;
  at::Device device_;
  std::vector<std::string> hosts_;  // of the ranks
  std::int64_t samples_ = 0;        // of the training split
  std::int64_t samples_per_step_ = 0;
  telemetry::SampleUnit unit_;
  Utilization utilization_;
  std::int64_t predicted_bytes_ = -1;
  std::optional<telemetry::MemoryLog> memory_log_;
  memory::GrowthWatch growth_;
  std::unique_ptr<telemetry::Metrics> metrics_;
  std::unique_ptr<telemetry::Progress> progress_;
  std::unique_ptr<telemetry::StragglerWatch> watch_;
  telemetry::StepTimes times_;
  std::chrono::steady_clock::time_point last_step_;
};

// Returns one entry for each phase: the values of its last run in the step, and the sums of its skipped runs
// and times. The overflowed parameter and its loss scale are those of the last skipped run.
[[nodiscard]] std::vector<telemetry::PhaseMetrics> phase_metrics(const step::StepReport& report);

// Returns a line for each phase with a skipped run in this step: the parameter and loss scale of its last
// such run.
[[nodiscard]] std::vector<std::string> skip_notes(const step::StepReport& report);

// Prints lines on standard output, wrapped at its width.
void print_note(const std::string& text);

}  // namespace ebb::train
