// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb {

// Returns the smallest multiple of `multiple` that is at least `value`; value >= 0, multiple > 0.
constexpr std::int64_t round_up(std::int64_t value, std::int64_t multiple) {
  return (value + multiple - 1) / multiple * multiple;
}

}  // namespace ebb
