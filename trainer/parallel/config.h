// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "comm/backend.h"
#include "config/section.h"

namespace ebb::parallel {

struct ParallelConfig {
  comm::Backend backend = comm::Backend::automatic;
  std::int64_t ranks = 0;
  std::int64_t bucket_bytes = 25 << 20;
  double timeout_s = 300;
  std::int64_t threads = 0;
  bool pin = true;
  void describe(config::Section& s);
};

}  // namespace ebb::parallel
