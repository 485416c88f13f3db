// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>

#include "config/section.h"

namespace ebb::evaluate {

// The section `evaluate:` of the configuration: the measures of an evaluation during training. No key of it
// changes training.
struct EvaluateConfig {
  std::int64_t samples = 0;  // images to generate; 0: no measures
  std::string features;      // path of a TorchScript file (features.h); empty: no measures of features
  std::int64_t draws = 0;    // of the importance-weighted bound; 0: no bound
  void describe(config::Section& s);
};

}  // namespace ebb::evaluate
