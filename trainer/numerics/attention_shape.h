// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

// The settings of attention in a configuration; the operator is in attention.h.
namespace ebb::numerics {

struct AttentionHeads {
  std::int64_t query, key;  // query / key query heads share a key/value head
};

// The reduction of rotary angles, so that a model reads more positions than in its training. linear:
// divides all by `factor` (Chen et al., "Extending context window ... via positional interpolation",
// 2023). llama3: divides by `factor` the pairs that turn less than `low` times in `original`
// positions, leaves those that turn more than `high` times, and interpolates between them (Llama
// 3.1).
struct RopeScaling {
  enum class Method { none, linear, llama3 } method = Method::none;
  double factor = 8, low = 1, high = 4;
  std::int64_t original = 8192;
};

}  // namespace ebb::numerics
