// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "numerics/cuda_table.h"

// Helpers of all kernels: elements of any dtype as floats, and sums in a fixed order. This folder holds the
// kernels in libebb_cuda.so; numerics/gpu holds the ops in the program that launch them.
namespace ebb::numerics::device {

constexpr int kThreads = 256;
constexpr int kBlocks =
    kCudaPartials / 2;  // of a reduction on every device, so that its order of summation is the same

inline int grid_for(std::int64_t n) {
  const std::int64_t blocks = (n + kThreads - 1) / kThreads;
  return static_cast<int>(blocks < 65536 ? (blocks > 0 ? blocks : 1) : 65536);
}

__device__ inline float load(Dtype dtype, const void* data, std::int64_t i) {
  if (dtype == Dtype::fp16) return __half2float(static_cast<const __half*>(data)[i]);
  if (dtype == Dtype::bf16) return __bfloat162float(static_cast<const __nv_bfloat16*>(data)[i]);
  return static_cast<const float*>(data)[i];
}

__device__ inline void store(Dtype dtype, void* data, std::int64_t i, float value) {
  if (dtype == Dtype::fp16)
    static_cast<__half*>(data)[i] = __float2half_rn(value);
  else if (dtype == Dtype::bf16)
    static_cast<__nv_bfloat16*>(data)[i] = __float2bfloat16_rn(value);
  else
    static_cast<float*>(data)[i] = value;
}

// First index and step of this thread over a range of any length.
__device__ inline std::int64_t first_index() {
  return static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ inline std::int64_t index_step() {
  return static_cast<std::int64_t>(gridDim.x) * blockDim.x;
}

// Sum over a block of kThreads, by halving; valid in thread 0.
__device__ inline double block_sum(double value) {
  __shared__ double sums[kThreads];
  sums[threadIdx.x] = value;
  __syncthreads();
  for (int half = kThreads / 2; half > 0; half /= 2) {
    if (static_cast<int>(threadIdx.x) < half) sums[threadIdx.x] += sums[threadIdx.x + half];
    __syncthreads();
  }
  const double total = sums[0];
  __syncthreads();
  return total;
}

// Philox4x32-10, as base/philox.h.
struct Words {
  std::uint32_t w[4];
};

__device__ inline Words philox(Words c, std::uint64_t key) {
  std::uint32_t k0 = static_cast<std::uint32_t>(key);
  std::uint32_t k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint32_t a_low = 0xD2511F53U * c.w[0];
    const std::uint32_t a_high = __umulhi(0xD2511F53U, c.w[0]);
    const std::uint32_t b_low = 0xCD9E8D57U * c.w[2];
    const std::uint32_t b_high = __umulhi(0xCD9E8D57U, c.w[2]);
    c = {{b_high ^ c.w[1] ^ k0, b_low, a_high ^ c.w[3] ^ k1, a_low}};
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return c;
}

__device__ inline float unit_interval(std::uint32_t bits) {
  return (static_cast<float>(bits >> 8) + 1.0F) * 0x1p-24F;
}

// Normal number `column` of row `row`.
__device__ inline float normal(std::uint64_t seed, std::uint32_t stream, std::uint64_t row,
                               std::int64_t column) {
  const Words bits = philox({{static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(row >> 32),
                              static_cast<std::uint32_t>(column / 4), stream}},
                            seed);
  const int pair = static_cast<int>(column % 4) / 2;
  const float radius = sqrtf(-2.0F * logf(unit_interval(bits.w[2 * pair])));
  const float angle = 6.283185307179586F * unit_interval(bits.w[2 * pair + 1]);
  return radius * (column % 2 == 0 ? cosf(angle) : sinf(angle));
}

}  // namespace ebb::numerics::device
