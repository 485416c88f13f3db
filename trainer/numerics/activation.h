// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb::numerics {

// Elementwise functions that linear and convolution apply to their result.
enum class Activation : std::uint8_t { none, relu, silu, gelu, leaky_relu };  // gelu: the tanh approximation

inline constexpr float kLeakySlope = 0.2F;  // of leaky_relu below 0

// Whether the function is linear on each side of 0. Its derivative then follows from its output, and its
// second derivative is 0.
constexpr bool is_piecewise_linear(Activation act) {
  return act == Activation::none || act == Activation::relu || act == Activation::leaky_relu;
}

}  // namespace ebb::numerics
