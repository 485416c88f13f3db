// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "train/environment.h"
#include "train/trainees.h"

namespace ebb::train {

// How a run begins, or goes on.
struct RunStart {
  std::int64_t first_step = 0;        // steps done before
  std::int64_t samples = 0;           // of the training split
  std::int64_t samples_per_step = 0;  // the global batch, for each draw of a step
  // What one sample a second is of all that the ranks' devices can do (model FLOPs utilisation); 0: not
  // known.
  double mfu_per_sample = 0;
  std::vector<std::string> notes;                     // lines for a person: what is trained, warnings
  std::optional<std::filesystem::path> resumed_from;  // a checkpoint
};

// One line: model, sizes, ranks, device.
std::string describe_run(const Config& config, const Environment& environment, models::Model& model,
                         std::int64_t samples);
// See RunStart. 0 where the model does not count its work. Collective; measures where this machine has not
// measured before.
double measure_mfu_per_sample(const Config& config, const Environment& environment, models::Model& model);

}  // namespace ebb::train
