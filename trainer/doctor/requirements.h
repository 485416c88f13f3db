// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

#include "doctor/checkup.h"
#include "doctor/machine.h"
#include "train/config.h"
#include "train/needs.h"

namespace ebb::doctor {

// Free space on the volume of the run folder, and the checkpoints that a run will store there. While it
// writes one, there are `keep` others. `present`: checkpoints that exist already. `available`: free bytes;
// negative: not known.
struct CheckpointRoom {
  std::int64_t checkpoint_bytes = 0;
  std::int64_t keep = 1, present = 0;
  std::int64_t available = -1;
};
Check check_room(const CheckpointRoom& room);

// Whole checkpoints in the run folder, and the free bytes of its volume, for check_room(). Reads the disk.
CheckpointRoom checkpoint_room(const train::Config& config, const train::Needs& needs);

// Whether the machines of all ranks (in rank order) have what the run of `config` needs: the number of ranks,
// the device, and memory for parameters, gradients and the optimizer's state. A pure function.
std::vector<Check> check_requirements(const train::Config& config, const train::Needs& needs,
                                      const std::vector<RankFacts>& ranks);

}  // namespace ebb::doctor
