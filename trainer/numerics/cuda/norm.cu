// SPDX-License-Identifier: Apache-2.0
#include "numerics/cuda/vectors.cuh"
#include "numerics/cuda_table.h"

// Layer and RMS norm of rows. A block takes a row and keeps it in registers, so that it reads the row once.
namespace ebb::numerics::device {
namespace {

constexpr int kMostThreads = 1024;
constexpr int kGradientThreads = 256;

int whole_warps(std::int64_t threads, int most) {
  const std::int64_t whole = (threads + 31) / 32 * 32;
  return static_cast<int>(whole < most ? whole : most);
}

// body(T, W, N, threads) for a block that holds a row: N packs of W elements in each thread, as few packs as
// `most_threads` allows.
template <class Body, class... Addresses>
void with_row(Dtype dtype, std::int64_t columns, int most_threads, const Body& body, Addresses... addresses) {
  with_packs(
      dtype, columns,
      [&](auto type, auto width) {
        const std::int64_t packs = columns / decltype(width)::value;
        const std::int64_t each = (packs + most_threads - 1) / most_threads;
        const auto with = [&](auto count) {
          body(type, width, count, whole_warps((packs + count - 1) / count, kMostThreads));
        };
        if (each <= 1)
          with(std::integral_constant<int, 1>{});
        else if (each <= 2)
          with(std::integral_constant<int, 2>{});
        else if (each <= 4)
          with(std::integral_constant<int, 4>{});
        else
          with(std::integral_constant<int, 8>{});
      },
      addresses...);
}

template <class T, int W, int N>
__global__ void __launch_bounds__(kMostThreads)
    norm_kernel(const void* x, const void* added, void* sum, LowParts low, const void* w, const void* b,
                float eps, std::int64_t columns, void* y, float* means, float* rstds) {
  __shared__ float space[32];
  const std::int64_t row = blockIdx.x, begin = row * columns;
  float values[N][W];
  float total = 0;
#pragma unroll
  for (int n = 0; n < N; ++n) {
    const std::int64_t c = (static_cast<std::int64_t>(n) * blockDim.x + threadIdx.x) * W;
    if (c >= columns) continue;
    read<T, W>(x, begin + c, values[n]);
    if (low.of_x != nullptr) {
      float other[W];
      read<T, W>(low.of_x, begin + c, other);
#pragma unroll
      for (int i = 0; i < W; ++i) values[n][i] += other[i];
    }
    if (added != nullptr) {
      float other[W];
      read<T, W>(added, begin + c, other);
#pragma unroll
      for (int i = 0; i < W; ++i) {
        const float exact = values[n][i] + other[i];
        values[n][i] = rounded<T>(exact);
        other[i] = rounded<T>(exact - values[n][i]);
      }
      write<T, W>(sum, begin + c, values[n]);
      if (low.of_sum != nullptr) {
        write<T, W>(low.of_sum, begin + c, other);
#pragma unroll
        for (int i = 0; i < W; ++i) values[n][i] += other[i];
      }
    }
#pragma unroll
    for (int i = 0; i < W; ++i) total += values[n][i];
  }
  const auto count = static_cast<float>(columns);
  const float mean = means != nullptr ? sum_over_block(total, space) / count : 0.0F;
  float squares = 0;
#pragma unroll
  for (int n = 0; n < N; ++n) {
    if ((static_cast<std::int64_t>(n) * blockDim.x + threadIdx.x) * W >= columns) continue;
#pragma unroll
    for (int i = 0; i < W; ++i) squares += (values[n][i] - mean) * (values[n][i] - mean);
  }
  const float rstd = rsqrtf(sum_over_block(squares, space) / count + eps);
  if (threadIdx.x == 0) {
    if (means != nullptr) means[row] = mean;
    rstds[row] = rstd;
  }
#pragma unroll
  for (int n = 0; n < N; ++n) {
    const std::int64_t c = (static_cast<std::int64_t>(n) * blockDim.x + threadIdx.x) * W;
    if (c >= columns) continue;
    float weight[W], bias[W] = {};
    read<T, W>(w, c, weight);
    if (b != nullptr) read<T, W>(b, c, bias);
#pragma unroll
    for (int i = 0; i < W; ++i) weight[i] = (values[n][i] - mean) * rstd * weight[i] + bias[i];
    write<T, W>(y, begin + c, weight);
  }
}

// A block takes every gridDim-th row and keeps the column sums of dy xhat and dy in registers.
template <class T, int W, int N>
__global__ void __launch_bounds__(N == 8 ? kMostThreads : kGradientThreads)
    norm_gradient_kernel(const void* dy, const void* x, const void* low, const void* w, const float* means,
                         const float* rstds, const void* d_sum, std::int64_t rows, std::int64_t columns,
                         void* dx, float* partial) {
  __shared__ float space[2][32];
  float weight[N][W], dw[N][W] = {}, db[N][W] = {};
#pragma unroll
  for (int n = 0; n < N; ++n) {
    const std::int64_t c = (static_cast<std::int64_t>(n) * blockDim.x + threadIdx.x) * W;
    if (c < columns) read<T, W>(w, c, weight[n]);
  }
  const float share = 1.0F / static_cast<float>(columns);
  for (std::int64_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const std::int64_t begin = row * columns;
    const float mean = means != nullptr ? means[row] : 0.0F, rstd = rstds[row];
    float g[N][W], hat[N][W];
    float along = 0, total = 0;
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const std::int64_t c = (static_cast<std::int64_t>(n) * blockDim.x + threadIdx.x) * W;
      if (c >= columns) continue;
      read<T, W>(dy, begin + c, g[n]);
      read<T, W>(x, begin + c, hat[n]);
      if (low != nullptr) {
        float other[W];
        read<T, W>(low, begin + c, other);
#pragma unroll
        for (int i = 0; i < W; ++i) hat[n][i] += other[i];
      }
#pragma unroll
      for (int i = 0; i < W; ++i) {
        hat[n][i] = (hat[n][i] - mean) * rstd;
        dw[n][i] += g[n][i] * hat[n][i];
        db[n][i] += g[n][i];
        g[n][i] *= weight[n][i];
        along += g[n][i] * hat[n][i];
        total += g[n][i];
      }
    }
    along = sum_over_block(along, space[0]) * share;
    total = means != nullptr ? sum_over_block(total, space[1]) * share : 0.0F;
#pragma unroll
    for (int n = 0; n < N; ++n) {
      const std::int64_t c = (static_cast<std::int64_t>(n) * blockDim.x + threadIdx.x) * W;
      if (c >= columns) continue;
#pragma unroll
      for (int i = 0; i < W; ++i) g[n][i] = rstd * (g[n][i] - total - hat[n][i] * along);
      if (d_sum != nullptr) {
        float other[W];
        read<T, W>(d_sum, begin + c, other);
#pragma unroll
        for (int i = 0; i < W; ++i) g[n][i] += other[i];
      }
      write<T, W>(dx, begin + c, g[n]);
    }
  }
  float* const mine = partial + 2 * blockIdx.x * columns;
#pragma unroll
  for (int n = 0; n < N; ++n) {
    const std::int64_t c = (static_cast<std::int64_t>(n) * blockDim.x + threadIdx.x) * W;
    if (c >= columns) continue;
    write<float, W>(mine, c, dw[n]);
    write<float, W>(mine + columns, c, db[n]);
  }
}

// Sums the columns of partial [parts, 2, columns], eight threads of a block for each column.
template <class T>
__global__ void combine_columns_kernel(const float* partial, std::int64_t parts, std::int64_t columns,
                                       std::int64_t stride, T* first, T* second) {
  __shared__ float sums[2][8][33];
  const std::int64_t c = static_cast<std::int64_t>(blockIdx.x) * 32 + threadIdx.x;
  float one = 0, two = 0;
  if (c < columns)
    for (std::int64_t part = threadIdx.y; part < parts; part += 8) {
      one += partial[part * stride + c];
      if (second != nullptr) two += partial[part * stride + columns + c];
    }
  sums[0][threadIdx.y][threadIdx.x] = one;
  sums[1][threadIdx.y][threadIdx.x] = two;
  __syncthreads();
  if (threadIdx.y != 0 || c >= columns) return;
  for (int i = 1; i < 8; ++i) one += sums[0][i][threadIdx.x], two += sums[1][i][threadIdx.x];
  first[c] = from_float<T>(one);
  if (second != nullptr) second[c] = from_float<T>(two);
}

}  // namespace

void combine_columns(Dtype dtype, const float* partial, std::int64_t parts, std::int64_t columns,
                     std::int64_t stride, void* first, void* second, void* stream) {
  with_type(dtype, [&](auto type) {
    using T = decltype(type);
    combine_columns_kernel<<<static_cast<unsigned>((columns + 31) / 32), dim3(32, 8), 0, on(stream)>>>(
        partial, parts, columns, stride, static_cast<T*>(first), static_cast<T*>(second));
  });
}

void norm(Dtype dtype, const void* x, const void* added, void* sum, LowParts low, const void* w,
          const void* b, float eps, std::int64_t rows, std::int64_t columns, void* y, float* mean,
          float* rstd, void* stream) {
  with_row(
      dtype, columns, kMostThreads,
      [&](auto type, auto width, auto packs, int threads) {
        norm_kernel<decltype(type), decltype(width)::value, decltype(packs)::value>
            <<<static_cast<unsigned>(rows), threads, 0, on(stream)>>>(x, added, sum, low, w, b, eps, columns,
                                                                      y, mean, rstd);
      },
      x, added, sum, low.of_x, low.of_sum, w, b, y);
  check_launch("norm");
}

void norm_gradient(Dtype dtype, const void* dy, const void* x, const void* low, const void* w,
                   const float* mean, const float* rstd, const void* d_sum, std::int64_t rows,
                   std::int64_t columns, void* dx, std::int64_t parts, float* partial, void* dw, void* db,
                   void* stream) {
  with_row(
      dtype, columns, kGradientThreads,
      [&](auto type, auto width, auto packs, int threads) {
        norm_gradient_kernel<decltype(type), decltype(width)::value, decltype(packs)::value>
            <<<static_cast<unsigned>(parts), threads, 0, on(stream)>>>(dy, x, low, w, mean, rstd, d_sum, rows,
                                                                       columns, dx, partial);
      },
      dy, x, low, w, d_sum, dx, partial);
  combine_columns(dtype, partial, parts, columns, 2 * columns, dw, db, stream);
  check_launch("norm_gradient");
}

}  // namespace ebb::numerics::device
