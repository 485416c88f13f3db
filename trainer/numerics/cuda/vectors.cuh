// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <type_traits>

#include "numerics/cuda/device.cuh"

// Helpers of kernels over rows: reads of 16 bytes as floats, and sums over a block.
namespace ebb::numerics::device {

template <class T>
constexpr int kLanes = 16 / sizeof(T);  // elements of one access

__device__ inline float to_float(float x) {
  return x;
}
__device__ inline float to_float(__half x) {
  return __half2float(x);
}
__device__ inline float to_float(__nv_bfloat16 x) {
  return __bfloat162float(x);
}
template <class T>
__device__ inline T from_float(float x) {
  if constexpr (std::is_same_v<T, __half>)
    return __float2half_rn(x);
  else if constexpr (std::is_same_v<T, __nv_bfloat16>)
    return __float2bfloat16_rn(x);
  else
    return x;
}

// W adjacent elements. W = kLanes<T> is one access of 16 bytes; W = 1 supports rows of any length.
template <class T, int W>
struct alignas(sizeof(T) * W) Pack {
  T element[W];
};

template <class T, int W>
__device__ inline void read(const void* data, std::int64_t first, float (&values)[W]) {
  const auto pack = *reinterpret_cast<const Pack<T, W>*>(static_cast<const T*>(data) + first);
#pragma unroll
  for (int i = 0; i < W; ++i) values[i] = to_float(pack.element[i]);
}

template <class T, int W>
__device__ inline void write(void* data, std::int64_t first, const float (&values)[W]) {
  Pack<T, W> pack;
#pragma unroll
  for (int i = 0; i < W; ++i) pack.element[i] = from_float<T>(values[i]);
  *reinterpret_cast<Pack<T, W>*>(static_cast<T*>(data) + first) = pack;
}

template <class T>
__device__ inline float rounded(float x) {
  return to_float(from_float<T>(x));
}

// The sum over a block of whole warps, in a fixed order, for all its threads. `space` holds 32 floats and may
// be reused after the next __syncthreads().
__device__ inline float sum_over_block(float value, float* space) {
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffffU, value, distance);
  const int warps = static_cast<int>(blockDim.x * blockDim.y) / 32;
  if (warps == 1) return value;
  const int thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  __syncthreads();
  if (thread % 32 == 0) space[thread / 32] = value;
  __syncthreads();
  value = 0;
  for (int warp = 0; warp < warps; ++warp) value += space[warp];
  return value;
}

// body(T{}) with T the type of `dtype`.
template <class Body>
void with_type(Dtype dtype, const Body& body) {
  if (dtype == Dtype::fp16)
    body(__half{});
  else if (dtype == Dtype::bf16)
    body(__nv_bfloat16{});
  else
    body(float{});
}

// body(T{}, std::integral_constant<int, W>{}) with T the type of `dtype` and W the elements of one access,
// which rows of `columns` elements at these addresses allow.
template <class Body, class... Addresses>
void with_packs(Dtype dtype, std::int64_t columns, const Body& body, Addresses... addresses) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    const bool aligned = ((reinterpret_cast<std::uintptr_t>(addresses) % 16 == 0) && ...);
    if (aligned && columns % kLanes<T> == 0)
      body(type, std::integral_constant<int, kLanes<T>>{});
    else
      body(type, std::integral_constant<int, 1>{});
  });
}

inline cudaStream_t on(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

}  // namespace ebb::numerics::device
