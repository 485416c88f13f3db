// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "memory/classes.h"

namespace ebb::telemetry {

// The sum of the times of all stages.
double total_seconds(const memory::StageSeconds& seconds);

// A summary of the durations of steps.
struct StepTimeSummary {
  std::int64_t steps = 0;
  double p50_s = 0, p95_s = 0;   // percentiles of a step's duration (nearest rank)
  memory::StageSeconds share{};  // part of each stage in the total time, 0 to 1
};

// Collects the durations of the steps between two summaries, at most of the last 1000. One thread.
class StepTimes {
 public:
  void add(const memory::StageSeconds& seconds);
  // Summarises the steps since the last call; nullopt if there were none.
  std::optional<StepTimeSummary> summarize();

 private:
  std::vector<memory::StageSeconds> steps_;
  std::size_t next_ = 0;  // index of the oldest step once the buffer is full
};

}  // namespace ebb::telemetry
