// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/line_file.h"
#include "memory/classes.h"
#include "telemetry/sample_unit.h"
#include "telemetry/step_times.h"
#include "telemetry/straggler.h"

namespace ebb::telemetry {

using NamedValues = std::vector<std::pair<std::string, double>>;

// The metrics of a phase in a step. If it ran more than once, losses, rates and norms are those of its last
// run.
struct PhaseMetrics {
  std::string phase;
  double loss = 0;    // mean over the global batch
  NamedValues terms;  // of the loss
  double lr = 0;
  NamedValues scheduled;  // other values with a schedule; omitted if there are none
  double scale = 1;       // the loss scale; if a run was skipped, that of the last skipped one
  double grad_norm = 0;   // before clipping
  std::int64_t runs = 0, skipped_runs = 0;
  // The parameter whose gradient was not finite in the last skipped run; omitted if empty.
  std::string overflowed;
  std::string overflowed_term;  // the term of the loss that was not finite in that run; omitted if empty
  std::vector<std::string> overflowed_by;  // the parts of the loss that made `overflowed`; omitted if empty
  // Duration of the reduction of rank 0's gradients, and the part of it that the step waited for.
  double reduction_s = 0, reduction_waited_s = 0;
};

// The metrics of one step.
struct StepMetrics {
  std::int64_t step = 0;  // from 0
  double epoch = 0;       // passes over the training split so far, with fraction
  double time_s = 0;      // since 1970
  // At least one. The line has the losses, rates and norm of the first one, and the scale and parameter of
  // the first phase with a skipped run. If there are several, each also has an object.
  std::vector<PhaseMetrics> phases;
  double samples_per_s = 0;
  SampleUnit unit;                 // its rate is written too; omitted if the unit has no name
  double mfu = 0;                  // model FLOPs utilisation; omitted if 0: unknown
  double matrix_rate = 0;          // the rate behind it, in operations a second; omitted with it
  memory::StageSeconds seconds{};  // rank 0's by stage; stages without time are omitted
  // Of each rank, as in step::StepReport; omitted if there is one rank.
  std::vector<memory::StageSeconds> rank_seconds;
  std::optional<Straggler> straggler;  // omitted if there is none
  std::int64_t peak_bytes = 0;         // the maximum that rank 0 held in the step
};

// A key of the configuration that a resumed run has changed, with its values as text. A value is empty where
// the key is absent.
struct ConfigChange {
  std::string key, before, now;
};

// RUN/metrics.jsonl. Rank 0 writes a line for each step, each evaluation, a return to a checkpoint and a
// resume with changes.
// Numbers have enough digits to restore the same bits; a number that is not finite is null. Error(storage) if
// the write fails.
class Metrics {
 public:
  // `first_step`: steps done before; later lines are removed (drop_lines_from).
  Metrics(const std::filesystem::path& run_folder, std::int64_t first_step);
  void write(const StepMetrics& metrics);
  // {"step": steps done, "eval": {"loss": …, …}, "steps": durations of the steps before it}
  void write_evaluation(std::int64_t steps_done, const NamedValues& values,
                        const std::optional<StepTimeSummary>& steps);
  // {"step": steps done, "rollback": {"diverged_at": step, "skipped": [begin, end]}}: positions of the stream
  void write_rollback(std::int64_t steps_done, std::int64_t diverged_at,
                      std::pair<std::int64_t, std::int64_t> skipped);
  // {"step": steps done, "changed": {"optimizer.lr": {"before": "0.1", "now": "0.2"}}}; an absent value is
  // null
  void write_changes(std::int64_t steps_done, const std::vector<ConfigChange>& changes);

 private:
  LineFile file_;
};

}  // namespace ebb::telemetry
