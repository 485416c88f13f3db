// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "memory/classes.h"
#include "telemetry/sample_unit.h"
#include "telemetry/step_times.h"
#include "telemetry/straggler.h"

namespace ebb::telemetry {

using NamedValues = std::vector<std::pair<std::string, double>>;

// What a phase did in a step. Where it ran more than once, losses, rates and norms are its last run's.
struct PhaseMetrics {
  std::string phase;
  double loss = 0;    // mean over the global batch
  NamedValues terms;  // of the loss
  double lr = 0;
  double scale = 1;      // the loss scale
  double grad_norm = 0;  // before clipping
  std::int64_t runs = 0, skipped_runs = 0;
  std::string overflowed;  // a parameter whose gradient was not finite; left out when empty
  // How long rank 0's gradients were being reduced, and how much of that the step waited for.
  double reduction_s = 0, reduction_waited_s = 0;
};

// What one step tells.
struct StepMetrics {
  std::int64_t step = 0;  // from 0
  double epoch = 0;       // passes over the training split so far, with fraction
  double time_s = 0;      // since 1970
  // At least one. The first one's losses, rates and norm are the line's own; where there are more, each has
  // an object too.
  std::vector<PhaseMetrics> phases;
  double samples_per_s = 0;
  SampleUnit unit;                 // its rate is written too; left out where the unit has no name
  double mfu = 0;                  // model FLOPs utilisation; left out when 0: not known
  memory::StageSeconds seconds{};  // rank 0's by stage; stages without time are left out
  // Of each rank, as step::StepReport has it; left out when there is one rank.
  std::vector<memory::StageSeconds> rank_seconds;
  std::optional<Straggler> straggler;  // left out when there is none
  std::int64_t peak_bytes = 0;         // the most that rank 0 held at once in the step
};

// RUN/metrics.jsonl, written by rank 0 as the run goes: a line a step and a line an evaluation. Numbers have
// as many digits as reading them back to the same bits takes; one that is not finite is null. Error(storage)
// when it cannot be written.
class Metrics {
 public:
  // `first_step`: steps done before; lines from there on are dropped (drop_lines_from).
  Metrics(const std::filesystem::path& run_folder, std::int64_t first_step);
  void write(const StepMetrics& metrics);
  // {"step": steps done, "eval": {"loss": …, …}, "steps": how long those before it took}
  void write_evaluation(std::int64_t steps_done, const NamedValues& values,
                        const std::optional<StepTimeSummary>& steps);

 private:
  LineFile file_;
};

}  // namespace ebb::telemetry
