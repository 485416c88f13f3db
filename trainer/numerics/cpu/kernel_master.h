// SPDX-License-Identifier: Apache-2.0
#pragma once
// The split fp32 master, block by block: split_master and join_master of update.h.
#include "numerics/cpu/kernel_blocks.h"

namespace ebb::numerics::cpu {

// fp16 (`high`): if |high| >= 2^-16, the residual is the difference of the fp32 bit patterns of master and
// high; below, it is their difference in units of 2^-40, rounded. The difference fits int16, except +2^15:
// the master lay halfway between two fp16 numbers (to 2^-41), and the lower one was chosen. That is clamped
// to 2^15 - 1.
EBB_INLINE void half_residual(const float* master, const float* high, std::int16_t* residual,
                              std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t by_bits = static_cast<std::int32_t>(bits_of(master[i]) - bits_of(high[i]));
    const float scaled = (master[i] - high[i]) * 0x1p40F;
    const float size = std::fabs(high[i]);
    const float kept = size < 0x1p-16F ? scaled : 0.0F;  // avoids converting a value that does not fit an int
    const std::int32_t by_value = static_cast<std::int32_t>(std::nearbyint(kept));
    std::int32_t difference = size < 0x1p-16F ? by_value : by_bits;
    difference = size <= 65504.0F ? difference : 0;  // keeps infinity and NaN
    difference = difference > 32767 ? 32767 : (difference < -32768 ? -32768 : difference);
    residual[i] = static_cast<std::int16_t>(difference);
  }
}

EBB_INLINE void half_join(const float* high, const std::int16_t* residual, float* master, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float by_bits =
        float_of(bits_of(high[i]) + static_cast<std::uint32_t>(static_cast<std::int32_t>(residual[i])));
    const float by_value = high[i] + static_cast<float>(residual[i]) * 0x1p-40F;
    master[i] = std::fabs(high[i]) < 0x1p-16F ? by_value : by_bits;
  }
}

template <class Convert>
EBB_INLINE void split_block(Dtype dtype, const float* master, void* weight, std::int16_t* residual,
                            std::int64_t n) {
  if (dtype == Dtype::fp32) {
    std::memcpy(weight, master, static_cast<std::size_t>(n) * sizeof(float));
  } else if (dtype == Dtype::bf16) {
    auto* high = static_cast<std::uint16_t*>(weight);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t bits = bits_of(master[i]);
      high[i] = static_cast<std::uint16_t>((bits + 0x8000U) >> 16);
      residual[i] = static_cast<std::int16_t>(bits & 0xffffU);
    }
  } else {
    alignas(64) float high[kBlock];
    Convert::to_fp16(master, static_cast<std::uint16_t*>(weight), n);
    Convert::from_fp16(static_cast<const std::uint16_t*>(weight), high, n);
    half_residual(master, high, residual, n);
  }
}

template <class Convert>
EBB_INLINE void join_block(Dtype dtype, const void* weight, const std::int16_t* residual, float* master,
                           std::int64_t n) {
  if (dtype == Dtype::fp32) {
    std::memcpy(master, weight, static_cast<std::size_t>(n) * sizeof(float));
  } else if (dtype == Dtype::bf16) {
    const auto* high = static_cast<const std::uint16_t*>(weight);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t bits = (static_cast<std::uint32_t>(high[i]) << 16) +
                                 static_cast<std::uint32_t>(static_cast<std::int32_t>(residual[i]));
      master[i] = float_of(bits);
    }
  } else {
    alignas(64) float high[kBlock];
    Convert::from_fp16(static_cast<const std::uint16_t*>(weight), high, n);
    half_join(high, residual, master, n);
  }
}

}  // namespace ebb::numerics::cpu
