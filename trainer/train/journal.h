#pragma once
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "comm/world.h"
#include "memory/ledger.h"
#include "step/step.h"
#include "telemetry/memory_log.h"
#include "telemetry/metrics.h"
#include "telemetry/progress.h"
#include "telemetry/step_times.h"
#include "telemetry/straggler.h"
#include "train/config.h"
#include "train/evaluation.h"

namespace ebb::train {

// Writes down what happens: RUN/memory/rank-NNNNN.jsonl on every rank; RUN/metrics.jsonl and the screen on
// rank 0.
class Journal {
 public:
  // Collective. `mfu_per_sample`: what one sample a second is of all that the ranks' devices could do; 0: not
  // known.
  Journal(const Config& config, comm::World& world, memory::Ledger& ledger, const memory::BlockCache& cache,
          std::int64_t first_step, std::int64_t samples, double mfu_per_sample);
  void step(const step::StepReport& report);
  void evaluation(std::int64_t step, const Evaluation& result);
  void sampled();  // what that took is not the next step's
  // The memory line of a step, when all that followed it (save, evaluation) is done.
  void close_step(std::int64_t step);
  void note(const std::string& text);  // a line on rank 0's screen
  void end();                          // leaves the progress line as it is

 private:
  const Config& config_;
  memory::Ledger& ledger_;
  std::int64_t samples_;  // of the training split
  double mfu_per_sample_;
  telemetry::MemoryLog memory_log_;
  std::unique_ptr<telemetry::Metrics> metrics_;
  std::unique_ptr<telemetry::Progress> progress_;
  std::unique_ptr<telemetry::StragglerWatch> watch_;
  telemetry::StepTimes times_;
  std::chrono::steady_clock::time_point last_step_;
};

void print_note(const std::string& text);

}  // namespace ebb::train
