// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <optional>
#include <string>

#include "comm/world.h"
#include "memory/failure.h"
#include "train/memory_budget.h"
#include "train/memory_need.h"

namespace ebb::train {

struct CheckedPlan {
  std::optional<MemoryNeed> need;  // empty: not planned
  std::optional<RankBudget> budget;
  std::int64_t other_bytes = 0;  // private bytes of the process before it allocates its model
  std::string note;              // a warning for a person; else empty
};

// Plans a run on the CPU and compares its need with the memory of this host and with the budget, before the
// run allocates anything. If all ranks of the host together need more, it throws Error(memory), or warns if
// memory.check says so. The text has the figures, and the changes with which the run fits. On a GPU it only
// finds the budget. Other errors are those that every step of the run would have.
CheckedPlan check_memory(const Config& config, const comm::World& world, at::Device device,
                         const PlannedRun& run);

// The sentences of check_memory() for a host with `room`. Empty: the run fits.
std::string memory_shortage(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                            const RoomOfRun& room);

// The changes with which a run would not have failed with `error`, found by its plan: a line for each, and a
// line break before it. Empty for a GPU, and without a plan.
std::string changes_after(const memory::OutOfMemory& error, const Config& config, const PlannedRun& run,
                          const CheckedPlan& checked);

}  // namespace ebb::train
