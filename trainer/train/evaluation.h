// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "core/phase.h"
#include "data/device_feed.h"
#include "data/evaluation_loader.h"
#include "models/family.h"

namespace ebb::train {

// The means over all samples of the split.
struct Evaluation {
  double loss = 0;
  std::vector<std::pair<std::string, double>> terms;
  std::int64_t samples = 0;
  std::vector<models::Measure> measures = {};  // that the configuration asks for
};

// Calls `use` with this rank's part of each batch of the split, once from its first sample, without
// gradients. A part may be empty. Its samples are on the run's device, its position is far beyond those of
// training, and its global_batch is 1: losses are sums.
void for_each_part(data::EvaluationLoader& split, data::DeviceFeed& feed,
                   const std::function<void(const core::Batch&)>& use);

// Computes the phase's loss without gradients over the split once, in order from its first sample, divided
// among the ranks. Every evaluation draws its latents from the same random numbers, which training never
// uses. It frees all its memory. Collective.
Evaluation evaluate(core::Phase& phase, core::UnitRunner& runner, data::EvaluationLoader& split,
                    comm::Communicator& communicator, data::DeviceFeed& feed);

// Computes the phase's loss of this rank's first part of the split, and discards it. A fault of later
// evaluations shows before the first step.
void try_evaluation(core::Phase& phase, core::UnitRunner& runner, data::EvaluationLoader& split,
                    data::DeviceFeed& feed);

}  // namespace ebb::train
