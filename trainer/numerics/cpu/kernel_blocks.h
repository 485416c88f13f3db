// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops of kernels.h, written once: blocks here, the split master in kernel_master.h, the rest in
// kernel_bodies.h. kernels_scalar.cpp, kernels_avx2.cpp and kernels_avx512.cpp instantiate them in functions
// with a target attribute, so that the compiler vectorises them. Only the 16-bit conversions (`Convert`) are
// written by hand. They are compiled without fused multiply-adds, so that all sets give the same bits.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "numerics/cpu/kernels.h"
#include "numerics/cpu/scalar.h"

#define EBB_INLINE inline __attribute__((always_inline))

namespace ebb::numerics::cpu {

constexpr std::int64_t kBlock = 512;  // elements that a loop holds on the stack as floats
constexpr int kLanes = 16;            // partial sums of a reduction, whatever the vector's width

EBB_INLINE const void* at(const void* base, Dtype dtype, std::int64_t i) {
  return static_cast<const char*>(base) + i * size_of(dtype);
}
EBB_INLINE void* at(void* base, Dtype dtype, std::int64_t i) {
  return static_cast<char*>(base) + i * size_of(dtype);
}

template <class Convert>
EBB_INLINE void load(Dtype dtype, const void* in, float* out, std::int64_t n) {
  if (dtype == Dtype::fp16)
    Convert::from_fp16(static_cast<const std::uint16_t*>(in), out, n);
  else if (dtype == Dtype::bf16)
    Convert::from_bf16(static_cast<const std::uint16_t*>(in), out, n);
  else
    std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(float));
}

template <class Convert>
EBB_INLINE void store(Dtype dtype, const float* in, void* out, std::int64_t n) {
  if (dtype == Dtype::fp16)
    Convert::to_fp16(in, static_cast<std::uint16_t*>(out), n);
  else if (dtype == Dtype::bf16)
    Convert::to_bf16(in, static_cast<std::uint16_t*>(out), n);
  else
    std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(float));
}

// A block to read: fp32 in place, other dtypes converted into `space`.
template <class Convert>
EBB_INLINE const float* read(Dtype dtype, const void* in, float* space, std::int64_t n) {
  if (dtype == Dtype::fp32) return static_cast<const float*>(in);
  load<Convert>(dtype, in, space, n);
  return space;
}

// A block to write: fp32 in place, other dtypes in `space`, from which write() stores them.
EBB_INLINE float* result_block(Dtype dtype, void* out, float* space) {
  return dtype == Dtype::fp32 ? static_cast<float*>(out) : space;
}
template <class Convert>
EBB_INLINE void write(Dtype dtype, const float* values, void* out, std::int64_t n) {
  if (dtype != Dtype::fp32) store<Convert>(dtype, values, out, n);
}

}  // namespace ebb::numerics::cpu
