// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "comm/communicator.h"
#include "core/phase.h"
#include "data/device_feed.h"
#include "data/evaluation_loader.h"
#include "models/family.h"

namespace ebb::train {

// The position of the first sample of a split in an evaluation: far beyond those of training.
inline constexpr std::int64_t kEvaluationPosition = std::int64_t{1} << 62;

// The means over all samples of the split.
struct Evaluation {
  double loss = 0;
  std::vector<std::pair<std::string, double>> terms;
  std::int64_t samples = 0;
  std::vector<models::Measure> measures = {};  // of generated images, if the configuration asks for them
};

// Computes the phase's loss without gradients over the split once, in order from its first sample, divided
// among the ranks. Every evaluation draws its latents from the same random numbers, which training never
// uses. It frees all its memory. Collective.
Evaluation evaluate(core::Phase& phase, core::UnitRunner& runner, data::EvaluationLoader& split,
                    comm::Communicator& communicator, data::DeviceFeed& feed);

}  // namespace ebb::train
