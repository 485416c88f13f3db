#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "memory/classes.h"

namespace ebb::telemetry {

// How long steps took.
struct StepTimeSummary {
  std::int64_t steps = 0;
  double p50_s = 0, p95_s = 0;   // half of the steps, and 95 in 100, took at most that (nearest rank)
  memory::StageSeconds share{};  // of each stage in all of their time
};

// Gathers the steps between two looks, of which it remembers the last thousand.
class StepTimes {
 public:
  void add(const memory::StageSeconds& seconds);
  // Of the steps since the last call; none where there were none.
  std::optional<StepTimeSummary> take();

 private:
  std::vector<memory::StageSeconds> steps_;
  std::size_t next_ = 0;  // the oldest, once there are a thousand
};

}  // namespace ebb::telemetry
