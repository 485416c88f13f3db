// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "memory/host_room.h"
#include "train/environment.h"
#include "train/memory_plan.h"

namespace ebb::train {

struct CheckedPlan {
  std::int64_t peak_bytes = -1;  // of a step, on each rank; -1: not planned
  std::string note;              // a warning for a person; else empty
};

// Plans the steps of a run on the CPU and compares the plan with the memory of this host, before the run
// allocates anything. If all ranks of the host together need more, it throws Error(memory), or warns if
// memory.check says so. The text has the figures, and the changes with which the run fits. On a GPU it does
// nothing. Other errors are those that every step of the run would have.
CheckedPlan check_memory(const Config& config, const Environment& environment, const core::SampleSpec& sample,
                         const models::RunnerFactory& make_runner);

// The sentences of check_memory() for `ranks` ranks on this host. Empty: the run fits.
std::string memory_shortage(const Config& config, const core::SampleSpec& sample, const MemoryPlan& plan,
                            int world_size, int ranks, const memory::HostRoom& room,
                            const models::RunnerFactory& make_runner);

}  // namespace ebb::train
