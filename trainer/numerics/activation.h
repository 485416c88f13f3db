// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb::numerics {

// Elementwise functions that linear and convolution apply to their result.
enum class Activation : std::uint8_t { none, relu, silu, gelu };  // gelu: the tanh approximation

}  // namespace ebb::numerics
