// SPDX-License-Identifier: Apache-2.0
#include "numerics/cuda/vectors.cuh"
#include "numerics/cuda_table.h"

// Activations, their gradients with the sums for biases, SwiGLU, and rotary positions.
namespace ebb::numerics::device {
namespace {

constexpr int kRowsOfABlock = 8;  // rows of one pass of a block, which sums their columns
constexpr float kRootOf2OverPi = 0.7978845608028654F, kCube = 0.044715F;

// Accurate for fp32. For 16-bit tensors a cheaper form within their rounding.
template <class T>
__device__ float tanh_for(float x) {
  if constexpr (std::is_same_v<T, float>) return tanhf(x);
  return 1.0F - __fdividef(2.0F, 1.0F + __expf(2.0F * fminf(x, 40.0F)));
}
template <class T>
__device__ float sigmoid_for(float x) {
  if constexpr (std::is_same_v<T, float>) return 1.0F / (1.0F + expf(-x));
  return __fdividef(1.0F, 1.0F + __expf(fminf(-x, 80.0F)));
}

template <class T>
__device__ float activated(Activation act, float x) {
  if (act == Activation::relu) return x < 0.0F ? 0.0F : x;  // keeps NaN
  if (act == Activation::leaky_relu) return x > 0.0F ? x : x * kLeakySlope;
  if (act == Activation::silu) return x * sigmoid_for<T>(x);
  return 0.5F * x * (1.0F + tanh_for<T>(kRootOf2OverPi * (x + kCube * x * x * x)));
}

// `saved`: the output for relu and leaky_relu, the pre-activation for silu and gelu.
template <class T>
__device__ float slope(Activation act, float saved) {
  if (act == Activation::relu) return saved > 0.0F ? 1.0F : 0.0F;
  if (act == Activation::leaky_relu) return saved > 0.0F ? 1.0F : kLeakySlope;
  if (act == Activation::silu) {
    const float s = sigmoid_for<T>(saved);
    return s * (1.0F + saved * (1.0F - s));
  }
  const float square = saved * saved;
  const float t = tanh_for<T>(kRootOf2OverPi * (saved + kCube * square * saved));
  return 0.5F * (1.0F + t) + 0.5F * saved * (1.0F - t * t) * kRootOf2OverPi * (1.0F + 3.0F * kCube * square);
}

template <class T, int W>
__global__ void activation_kernel(Activation act, const void* in, void* out, std::int64_t n) {
  for (std::int64_t i = first_index() * W; i < n; i += index_step() * W) {
    float values[W];
    read<T, W>(in, i, values);
#pragma unroll
    for (int k = 0; k < W; ++k) values[k] = activated<T>(act, values[k]);
    write<T, W>(out, i, values);
  }
}

// dz = dy act'(saved) if there is an activation, and its column sums into partial [gridDim.y, columns].
template <class T, int W>
__global__ void activation_gradient_kernel(Activation act, const void* dy, const void* saved, void* dz,
                                           std::int64_t rows, std::int64_t columns, float* partial) {
  __shared__ float sums[kRowsOfABlock][32][W + (W > 1 ? 1 : 0)];
  const std::int64_t c = (static_cast<std::int64_t>(blockIdx.x) * 32 + threadIdx.x) * W;
  float total[W] = {};
  if (c < columns)
    for (std::int64_t r = static_cast<std::int64_t>(blockIdx.y) * kRowsOfABlock + threadIdx.y; r < rows;
         r += static_cast<std::int64_t>(gridDim.y) * kRowsOfABlock) {
      float g[W];
      read<T, W>(dy, r * columns + c, g);
      if (act != Activation::none) {
        float z[W];
        read<T, W>(saved, r * columns + c, z);
#pragma unroll
        for (int k = 0; k < W; ++k) g[k] = rounded<T>(g[k] * slope<T>(act, z[k]));
        write<T, W>(dz, r * columns + c, g);
      }
#pragma unroll
      for (int k = 0; k < W; ++k) total[k] += g[k];
    }
  if (partial == nullptr) return;
#pragma unroll
  for (int k = 0; k < W; ++k) sums[threadIdx.y][threadIdx.x][k] = total[k];
  __syncthreads();
  if (threadIdx.y != 0 || c >= columns) return;
  for (int y = 1; y < kRowsOfABlock; ++y)
#pragma unroll
    for (int k = 0; k < W; ++k) total[k] += sums[y][threadIdx.x][k];
  for (int k = 0; k < W; ++k) partial[blockIdx.y * columns + c + k] = total[k];
}

template <class T, int W>
__global__ void swiglu_kernel(const void* gate, const void* up, void* out, std::int64_t n) {
  for (std::int64_t i = first_index() * W; i < n; i += index_step() * W) {
    float g[W], u[W];
    read<T, W>(gate, i, g);
    read<T, W>(up, i, u);
#pragma unroll
    for (int k = 0; k < W; ++k) g[k] = g[k] * sigmoid_for<T>(g[k]) * u[k];
    write<T, W>(out, i, g);
  }
}

template <class T, int W>
__global__ void swiglu_gradient_kernel(const void* dy, const void* gate, const void* up, void* d_gate,
                                       void* d_up, std::int64_t n) {
  for (std::int64_t i = first_index() * W; i < n; i += index_step() * W) {
    float d[W], g[W], u[W];
    read<T, W>(dy, i, d);
    read<T, W>(gate, i, g);
    read<T, W>(up, i, u);
#pragma unroll
    for (int k = 0; k < W; ++k) {
      const float s = sigmoid_for<T>(g[k]);
      u[k] = d[k] * u[k] * s * (1.0F + g[k] * (1.0F - s));
      g[k] = d[k] * g[k] * s;
    }
    write<T, W>(d_gate, i, u);
    write<T, W>(d_up, i, g);
  }
}

// A thread rotates one pair (i, i + half) of one head of one token.
template <class T>
__global__ void rotate_kernel(const T* in, std::int64_t in_stride, T* out, std::int64_t out_stride,
                              const float* angles, std::int64_t tokens, std::int64_t length,
                              std::int64_t heads, std::int64_t half, float direction) {
  const std::int64_t pairs = heads * half;
  for (std::int64_t i = first_index(); i < tokens * pairs; i += index_step()) {
    const std::int64_t token = i / pairs, head = i % pairs / half, pair = i % half;
    const std::int64_t angle = token % length * half + pair;
    const float c = angles[angle], s = direction * angles[length * half + angle];
    const T* const from = in + token * in_stride + head * 2 * half + pair;
    T* const to = out + token * out_stride + head * 2 * half + pair;
    const float a = to_float(from[0]), b = to_float(from[half]);
    to[0] = from_float<T>(a * c - b * s);
    to[half] = from_float<T>(b * c + a * s);
  }
}

}  // namespace

void activation(Dtype dtype, Activation act, const void* in, void* out, std::int64_t n, void* stream) {
  with_packs(
      dtype, n,
      [&](auto type, auto width) {
        using T = decltype(type);
        constexpr int W = decltype(width)::value;
        activation_kernel<T, W><<<grid_for(n / W), kThreads, 0, on(stream)>>>(act, in, out, n);
      },
      in, out);
  check_launch("activation");
}

void activation_gradient(Dtype dtype, Activation act, const void* dy, const void* saved, void* dz,
                         std::int64_t rows, std::int64_t columns, std::int64_t parts, float* partial,
                         void* db, void* stream) {
  with_packs(
      dtype, columns,
      [&](auto type, auto width) {
        using T = decltype(type);
        constexpr int W = decltype(width)::value;
        const dim3 grid(static_cast<unsigned>((columns + 32 * W - 1) / (32 * W)),
                        static_cast<unsigned>(parts));
        activation_gradient_kernel<T, W>
            <<<grid, dim3(32, kRowsOfABlock), 0, on(stream)>>>(act, dy, saved, dz, rows, columns, partial);
      },
      dy, saved, dz);
  if (partial != nullptr) combine_columns(dtype, partial, parts, columns, columns, db, nullptr, stream);
  check_launch("activation_gradient");
}

void swiglu(Dtype dtype, const void* gate, const void* up, void* out, std::int64_t n, void* stream) {
  with_packs(
      dtype, n,
      [&](auto type, auto width) {
        using T = decltype(type);
        constexpr int W = decltype(width)::value;
        swiglu_kernel<T, W><<<grid_for(n / W), kThreads, 0, on(stream)>>>(gate, up, out, n);
      },
      gate, up, out);
  check_launch("swiglu");
}

void swiglu_gradient(Dtype dtype, const void* dy, const void* gate, const void* up, void* d_gate, void* d_up,
                     std::int64_t n, void* stream) {
  with_packs(
      dtype, n,
      [&](auto type, auto width) {
        using T = decltype(type);
        constexpr int W = decltype(width)::value;
        swiglu_gradient_kernel<T, W>
            <<<grid_for(n / W), kThreads, 0, on(stream)>>>(dy, gate, up, d_gate, d_up, n);
      },
      dy, gate, up, d_gate, d_up);
  check_launch("swiglu_gradient");
}

void rotate(Dtype dtype, const void* in, std::int64_t in_stride, void* out, std::int64_t out_stride,
            const float* angles, std::int64_t tokens, std::int64_t length, std::int64_t heads,
            std::int64_t half, bool back, void* stream) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    rotate_kernel<T><<<grid_for(tokens * heads * half), kThreads, 0, on(stream)>>>(
        static_cast<const T*>(in), in_stride, static_cast<T*>(out), out_stride, angles, tokens, length, heads,
        half, back ? -1.0F : 1.0F);
  });
  check_launch("rotate");
}

}  // namespace ebb::numerics::device
