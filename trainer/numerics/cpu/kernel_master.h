#pragma once
// The two halves of an fp32 master weight: what split_master and join_master of update.h mean, block by
// block.
#include "numerics/cpu/kernel_blocks.h"

namespace ebb::numerics::cpu {

// fp16: where the half is 2^-16 or more in size, the residual is the difference of the bit patterns, at most
// 2^15 in size; below, it counts 2^-40, and the one value that does not fit (+2^15, a tie that rounded down)
// is clamped.
EBB_INLINE void half_low(const float* master, const float* high, std::int16_t* low, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t by_bits = static_cast<std::int32_t>(bits_of(master[i]) - bits_of(high[i]));
    const float scaled = (master[i] - high[i]) * 0x1p40F;
    const float size = std::fabs(high[i]);
    const float kept = size < 0x1p-16F ? scaled : 0.0F;  // no conversion of what does not fit an int
    const std::int32_t by_value = static_cast<std::int32_t>(std::nearbyint(kept));
    std::int32_t residual = size < 0x1p-16F ? by_value : by_bits;
    residual = size <= 65504.0F ? residual : 0;  // infinity and NaN stay what they are
    residual = residual > 32767 ? 32767 : (residual < -32768 ? -32768 : residual);
    low[i] = static_cast<std::int16_t>(residual);
  }
}

EBB_INLINE void half_join(const float* high, const std::int16_t* low, float* master, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float by_bits =
        float_of(bits_of(high[i]) + static_cast<std::uint32_t>(static_cast<std::int32_t>(low[i])));
    const float by_value = high[i] + static_cast<float>(low[i]) * 0x1p-40F;
    master[i] = std::fabs(high[i]) < 0x1p-16F ? by_value : by_bits;
  }
}

template <class Convert>
EBB_INLINE void split_block(Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n) {
  if (kind == Kind::f32) {
    std::memcpy(weight, master, static_cast<std::size_t>(n) * sizeof(float));
  } else if (kind == Kind::bf16) {
    auto* high = static_cast<std::uint16_t*>(weight);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t bits = bits_of(master[i]);
      high[i] = static_cast<std::uint16_t>((bits + 0x8000U) >> 16);
      low[i] = static_cast<std::int16_t>(bits & 0xffffU);
    }
  } else {
    alignas(64) float high[kBlock];
    Convert::to_half(master, static_cast<std::uint16_t*>(weight), n);
    Convert::from_half(static_cast<const std::uint16_t*>(weight), high, n);
    half_low(master, high, low, n);
  }
}

template <class Convert>
EBB_INLINE void join_block(Kind kind, const void* weight, const std::int16_t* low, float* master,
                           std::int64_t n) {
  if (kind == Kind::f32) {
    std::memcpy(master, weight, static_cast<std::size_t>(n) * sizeof(float));
  } else if (kind == Kind::bf16) {
    const auto* high = static_cast<const std::uint16_t*>(weight);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t bits = (static_cast<std::uint32_t>(high[i]) << 16) +
                                 static_cast<std::uint32_t>(static_cast<std::int32_t>(low[i]));
      master[i] = float_of(bits);
    }
  } else {
    alignas(64) float high[kBlock];
    Convert::from_half(static_cast<const std::uint16_t*>(weight), high, n);
    half_join(high, low, master, n);
  }
}

}  // namespace ebb::numerics::cpu
