// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "doctor/checkup.h"
#include "doctor/machine.h"
#include "train/config.h"
#include "train/resource_estimate.h"

namespace ebb::doctor {

// Free space on the volume of the run folder, and the checkpoints that a run will store there. During a save
// there are `keep` other checkpoints. `present`: existing checkpoints. `available`: free bytes; negative:
// unknown.
struct CheckpointSpace {
  std::int64_t checkpoint_bytes = 0;
  std::int64_t keep = 1, present = 0;
  std::int64_t available = -1;
};
Check check_space(const CheckpointSpace& space);

// Counts the checkpoints in the run folder and measures the free bytes of its volume, for check_space().
// Reads the disk.
CheckpointSpace checkpoint_space(const train::Config& config, const train::ResourceEstimate& estimate);

// Checks the machines of all ranks for the run of `config`: the number of ranks, and the device. `ranks` is
// in rank order. A pure function.
std::vector<Check> check_requirements(const train::Config& config, const std::vector<RankFacts>& ranks);

}  // namespace ebb::doctor
