// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb::numerics {

// Element types of parameters, activations and gradients, on every device. See precision.h for the
// LibTorch's names of them.
enum class Dtype : std::uint8_t { fp32, fp16, bf16 };

inline constexpr std::int64_t size_of(Dtype dtype) {  // bytes
  return dtype == Dtype::fp32 ? 4 : 2;
}

}  // namespace ebb::numerics
