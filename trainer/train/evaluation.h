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

namespace ebb::train {

// Means over every sample of the split.
struct Evaluation {
  double loss = 0;
  std::vector<std::pair<std::string, double>> terms;
  std::int64_t samples = 0;
};

// Runs the phase's loss without gradients over the split once, from its first sample, in order, shared among
// the ranks. Latents are drawn with numbers that training never uses and that are the same at every
// evaluation. Everything it makes is freed. Collective.
Evaluation evaluate(core::Phase& phase, core::UnitRunner& runner, data::EvaluationLoader& split,
                    comm::Communicator& communicator, data::DeviceFeed& feed);

}  // namespace ebb::train
