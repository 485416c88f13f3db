#pragma once
#include <cstdint>

// What a configuration says of attention; the operator is in sequence.h.
namespace ebb::numerics {

struct AttentionHeads {
  std::int64_t query, key;  // key heads are shared by query / key query heads each
};

// How the angles of `rope` are made smaller than those that a model began with, so that it sees further.
// linear: all by `factor` (Chen et al., "Extending context window ... via positional interpolation", 2023).
// llama3: pairs that turn less than `low` times in `original` positions by `factor`, those that turn more
// than `high` times not at all, and those between by a mixture (Llama 3.1).
struct RopeScaling {
  enum class Method { none, linear, llama3 } method = Method::none;
  double factor = 8, low = 1, high = 4;
  std::int64_t original = 8192;
};

}  // namespace ebb::numerics
