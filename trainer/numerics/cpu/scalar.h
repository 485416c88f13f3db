// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstring>

// Conversions of fp16 and bf16 in plain arithmetic, rounding to nearest, ties to even, as the instructions
// do. Machines without those instructions run these, and tests compare the vector kernels with them.
namespace ebb::numerics::cpu {

inline std::uint32_t bits_of(float value) {
  std::uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

inline float float_of(std::uint32_t bits) {
  float value = 0;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// A multiplication by a power of two moves the exponent; subnormals need no branch then.
inline float fp16_to_float(std::uint16_t half) {
  const std::uint32_t sign = static_cast<std::uint32_t>(half & 0x8000U) << 16;
  const std::uint32_t magnitude = half & 0x7fffU;
  const float finite = float_of(magnitude << 13) * 0x1p112F;
  const std::uint32_t special =
      0x7f800000U | ((magnitude & 0x3ffU) << 13) | ((magnitude & 0x3ffU) != 0 ? 0x400000U : 0U);
  return float_of(sign | (magnitude >= 0x7c00U ? special : bits_of(finite)));
}

inline std::uint16_t float_to_fp16(float value) {
  const std::uint32_t bits = bits_of(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7fffffffU;
  if (magnitude > 0x7f800000U)
    return static_cast<std::uint16_t>(sign | 0x7e00U | ((magnitude >> 13) & 0x3ffU));
  if (magnitude >= 0x477ff000U)
    return static_cast<std::uint16_t>(sign | 0x7c00U);  // 65520 and above round to infinity
  if (magnitude < 0x38800000U) {
    // Below 2^-14 half's spacing is 2^-24; adding 0.5 puts that spacing at the last bit of a float, whose
    // addition rounds.
    return static_cast<std::uint16_t>(sign | (bits_of(float_of(magnitude) + 0.5F) - 0x3f000000U));
  }
  const std::uint32_t rounded = magnitude + 0xfffU + ((magnitude >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

inline float bf16_to_float(std::uint16_t bf16) {
  return float_of(static_cast<std::uint32_t>(bf16) << 16);
}

inline std::uint16_t float_to_bf16(float value) {
  const std::uint32_t bits = bits_of(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return 0x7fc0U;
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

}  // namespace ebb::numerics::cpu
