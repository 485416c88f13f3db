// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "train/memory_need.h"

namespace ebb::train {

// The need of the same ranks and processes with another configuration. Nothing if it cannot be trained or
// planned.
std::optional<MemoryNeed> need_with(const MemoryNeed& need, const Config& config, const PlannedRun& run);

struct MicroBatches {
  std::int64_t count;
  MemoryNeed need;
};
// The smallest data.micro_batches above the configured one with which the run needs at most `available`; the
// largest one if none does. Nothing if no larger number divides the batch of a rank. A bisection.
std::optional<MicroBatches> fewest_micro_batches(const Config& config, const PlannedRun& run,
                                                 const MemoryNeed& need, const AvailableToRun& available);

// For data.micro_batches auto: the fewest, from 1 on, with which the run needs at most `available`; the most
// if none do. `need`: that of 1. A hundredth of `available` is left free, since the check that follows
// measures the host again.
MicroBatches automatic_micro_batches(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                                     const AvailableToRun& available);

// A change of the configuration, or of the number of ranks on a host, with its figures, for a person.
struct MemoryChange {
  bool fits;
  std::string text;  // "data.micro_batches=4 needs 2.1 GiB on each rank"
};

// The changes that lower the need of a run to `available`, found by the plan. Those that lower it but not
// enough follow. It plans at most about fifteen times, in milliseconds each, or seconds for models of
// thousands of layers.
std::vector<MemoryChange> find_memory_changes(const Config& config, const PlannedRun& run,
                                              const MemoryNeed& need, const AvailableToRun& available);

// The largest value of one number of the configuration with which `ranks` ranks fit.
struct LargestValue {
  std::int64_t value = 0;  // 0: not even 1 fits
  bool exact = true;       // false: a larger one may fit, since the search ended early
};
// `need`: the bytes of a value; nothing if the run cannot be planned with it. It must not fall as the value
// grows. `start`: where the search begins. `limit`: the largest value to try. `available`: bytes. Calls
// `need` at most twelve times.
LargestValue find_largest_value(std::int64_t start, std::int64_t limit, std::int64_t available,
                                const std::function<std::optional<std::int64_t>(std::int64_t)>& need);

}  // namespace ebb::train
