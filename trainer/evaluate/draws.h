// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>

#include "base/philox.h"

namespace ebb::evaluate {

// The random choices of the measures. Each value is a seed, so a measure depends on nothing but its inputs.
enum class Choice : std::uint64_t { patches = 1, directions = 2, subsets = 3 };

inline std::array<std::uint32_t, 4> bits_of(Choice choice, std::uint64_t index, std::uint32_t sub) {
  return random_bits(static_cast<std::uint64_t>(choice), RandomStream::measures, index, sub);
}

// Returns a whole number of [0, count), for 0 < count < 2^32. Each has the same probability to within 2^-32.
inline std::int64_t below(std::uint32_t bits, std::int64_t count) {
  return static_cast<std::int64_t>(std::uint64_t{bits} * static_cast<std::uint64_t>(count) >> 32);
}

}  // namespace ebb::evaluate
