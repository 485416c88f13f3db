// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>

#include "checkpoint/changes.h"
#include "checkpoint/folders.h"
#include "comm/world.h"
#include "train/config.h"

namespace ebb::train {

// Returns the configuration for the checkpoints of a run. `contents`: of the dataset (contents_of_all_ranks).
// `found`: the checkpoint from which it resumes; RunConfiguration::allowed and advice are about it.
checkpoint::RunConfiguration run_configuration(Config& config, const std::string& contents,
                                               const std::optional<checkpoint::CheckpointFolder>& found);

// For data.micro_batches auto: takes those of a checkpoint, so that the sums stay the same. Error(usage) if
// they do not divide the batch on `ranks`. Leaves auto where checkpoint.resume or checkpoint.allow accepts
// other ones.
void take_saved_micro_batches(Config& config, const checkpoint::CheckpointFolder& found, int ranks);

// Does what a process that went back may have left undone when it ended: deletes the checkpoints of the steps
// with which it diverged. Forgets a rollback if there are no checkpoints. Call it on rank 0, which holds the
// lease, before the run looks for its newest checkpoint.
void finish_rollback(const std::filesystem::path& run);

// The position in the stream of samples at which a resume from `found` goes on: its process went back to it
// and may have ended before it saved again. 0: it did not go back. Collective.
std::int64_t position_after_rollback(const Config& config, const comm::World& world,
                                     const checkpoint::CheckpointFolder& found);

}  // namespace ebb::train
