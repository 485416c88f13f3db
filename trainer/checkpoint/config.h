// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "config/section.h"

namespace ebb::checkpoint {

enum class Resume { automatic, never, force };

// The section `checkpoint:` of the configuration. No key of it changes a result.
struct CheckpointConfig {
  std::int64_t every = 500;  // steps; 0: only at the end and when stopped
  std::int64_t keep = 3;     // complete checkpoints, at least one
  Resume resume = Resume::automatic;
  std::vector<std::string> allow;  // keys and sections that a resume may change
  void describe(config::Section& s);
};

}  // namespace ebb::checkpoint
