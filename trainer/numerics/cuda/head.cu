// SPDX-License-Identifier: Apache-2.0
#include "numerics/cuda/vectors.cuh"
#include "numerics/cuda_table.h"

// The softmax of a language model's head and its cross-entropy, over rows of logits.
namespace ebb::numerics::device {
namespace {

constexpr int kRowThreads = 1024;

// Accurate for fp32. For 16-bit logits a cheaper form within their rounding.
template <class T>
__device__ float exponential(float x) {
  if constexpr (std::is_same_v<T, float>) return expf(x);
  return __expf(x);
}

// A maximum, and the sum of exponentials relative to it.
template <class T>
struct Running {
  float most = -INFINITY, sum = 0;
  __device__ void add(Running other) {
    if (other.most > most) {
      sum = sum * exponential<T>(most - other.most) + other.sum;
      most = other.most;
    } else if (other.most > -INFINITY) {
      sum += other.sum * exponential<T>(other.most - most);
    }
  }
};

template <class T>
__device__ Running<T> over_block(Running<T> value) {
  __shared__ float most[32], sum[32];
#pragma unroll
  for (int distance = 16; distance > 0; distance /= 2)
    value.add(Running<T>{__shfl_down_sync(0xffffffffU, value.most, distance),
                         __shfl_down_sync(0xffffffffU, value.sum, distance)});
  if (threadIdx.x % 32 == 0) most[threadIdx.x / 32] = value.most, sum[threadIdx.x / 32] = value.sum;
  __syncthreads();
  value = {most[0], sum[0]};
  for (unsigned warp = 1; warp < blockDim.x / 32; ++warp) value.add(Running<T>{most[warp], sum[warp]});
  return value;
}

// The last pack of a row may reach over its end into the stride's padding, which does not count.
template <class T, int W>
__device__ void read_logits(const void* logits, std::int64_t begin, std::int64_t i, std::int64_t vocabulary,
                            float (&values)[W]) {
  read<T, W>(logits, begin + i, values);
#pragma unroll
  for (int k = 1; k < W; ++k)
    if (i + k >= vocabulary) values[k] = -INFINITY;
}

// Replaces a row of logits by `gradient_factor` times the gradient of its loss, if requested.
template <class T, int W>
__global__ void __launch_bounds__(kRowThreads)
    head_rows_kernel(void* logits, std::int64_t stride, const std::int64_t* targets, std::int64_t ignored,
                     std::int64_t vocabulary, float z, float gradient_factor, bool gradient, float* losses) {
  const std::int64_t row = blockIdx.x, begin = row * stride, target = targets[row];
  const bool counts = target != ignored;
  if (!counts) {
    if (threadIdx.x == 0) losses[row] = 0;
    if (!gradient) return;
    const float zeros[W] = {};
    for (std::int64_t i = threadIdx.x * W; i < vocabulary; i += kRowThreads * W)
      write<T, W>(logits, begin + i, zeros);
    return;
  }
  Running<T> mine;
  float values[W];
  for (std::int64_t i = threadIdx.x * W; i < vocabulary; i += kRowThreads * W) {
    read_logits<T, W>(logits, begin, i, vocabulary, values);
    float most = values[0];
#pragma unroll
    for (int k = 1; k < W; ++k) most = fmaxf(most, values[k]);
    Running<T> here{most, 0};
#pragma unroll
    for (int k = 0; k < W; ++k) here.sum += exponential<T>(values[k] - most);
    mine.add(here);
  }
  const Running<T> all = over_block(mine);
  const float lse = all.most + logf(all.sum);
  if (threadIdx.x == 0) {
    // Checked files have no target outside the vocabulary. One from another source makes the loss NaN.
    const bool known = target >= 0 && target < vocabulary;
    const float hit = known ? to_float(static_cast<const T*>(logits)[begin + target]) : NAN;
    losses[row] = lse - hit + z * lse * lse;
  }
  if (!gradient) return;
  __syncthreads();  // all threads have read the target's logit
  const float factor = gradient_factor * (1.0F + 2.0F * z * lse);
  for (std::int64_t i = threadIdx.x * W; i < vocabulary; i += kRowThreads * W) {
    read_logits<T, W>(logits, begin, i, vocabulary, values);
#pragma unroll
    for (int k = 0; k < W; ++k)
      values[k] = exponential<T>(values[k] - lse) * factor - (i + k == target ? gradient_factor : 0.0F);
    write<T, W>(logits, begin + i, values);
  }
}

template <class From, class To, int W>
__global__ void scaled_kernel(const void* in, void* out, const float* factor, float by, std::int64_t n) {
  const float f = *factor * by;
  for (std::int64_t i = first_index() * W; i < n; i += index_step() * W) {
    float values[W];
    read<From, W>(in, i, values);
#pragma unroll
    for (int k = 0; k < W; ++k) values[k] *= f;
    write<To, W>(out, i, values);
  }
}

}  // namespace

void head_rows(Dtype dtype, void* logits, std::int64_t stride, const std::int64_t* targets,
               std::int64_t ignored, std::int64_t rows, std::int64_t vocabulary, float z,
               float gradient_factor, bool gradient, float* losses, void* stream) {
  with_packs(
      dtype, stride,
      [&](auto type, auto width) {
        using T = decltype(type);
        head_rows_kernel<T, decltype(width)::value>
            <<<static_cast<unsigned>(rows), kRowThreads, 0, on(stream)>>>(
                logits, stride, targets, ignored, vocabulary, z, gradient_factor, gradient, losses);
      },
      logits);
  check_launch("head_rows");
}

void scaled(Dtype from, const void* in, Dtype to, void* out, const float* factor, float by, std::int64_t n,
            void* stream) {
  with_type(from, [&](auto from_type) {
    with_type(to, [&](auto to_type) {
      using From = decltype(from_type);
      using To = decltype(to_type);
      const bool wide = n % 8 == 0 && reinterpret_cast<std::uintptr_t>(in) % 16 == 0 &&
                        reinterpret_cast<std::uintptr_t>(out) % 16 == 0;
      if (wide)
        scaled_kernel<From, To, 4><<<grid_for(n / 4), kThreads, 0, on(stream)>>>(in, out, factor, by, n);
      else
        scaled_kernel<From, To, 1><<<grid_for(n), kThreads, 0, on(stream)>>>(in, out, factor, by, n);
    });
  });
  check_launch("scaled");
}

}  // namespace ebb::numerics::device
