// SPDX-License-Identifier: Apache-2.0
#include "numerics/cuda/vectors.cuh"
#include "numerics/cuda_table.h"

namespace ebb::numerics::device {
namespace {

constexpr std::uint32_t kLatent = 3;  // RandomStream::latent of base/philox.h

__device__ float sigmoid(float x) {
  return 1.0F / (1.0F + expf(-x));
}

__global__ void bernoulli_kernel(Dtype dtype, const void* logits, const std::uint8_t* targets, std::int64_t n,
                                 double* partial) {
  double sum = 0;
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const float x = load(dtype, logits, i);
    const float t = static_cast<float>(targets[i]) / 255.0F;
    sum += static_cast<double>((x < 0.0F ? 0.0F : x) + log1pf(expf(-fabsf(x))) - t * x);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void kl_kernel(Dtype dtype, const void* mu, const void* logvar, std::int64_t n, double* partial) {
  double sum = 0;
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const float m = load(dtype, mu, i);
    const float l = load(dtype, logvar, i);
    sum += static_cast<double>(0.5F * (m * m + (expf(l) - 1.0F - l)));
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void combine_kernel(const double* partial, float* out) {
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < kBlocks; i += kThreads) sum += partial[i];
  sum = block_sum(sum);
  if (threadIdx.x == 0) out[0] = static_cast<float>(sum);
}

__global__ void bernoulli_gradient_kernel(Dtype dtype, const void* logits, const std::uint8_t* targets,
                                          const float* scale, void* gradient, std::int64_t n) {
  const float s = *scale;
  for (std::int64_t i = first_index(); i < n; i += index_step())
    store(dtype, gradient, i,
          (sigmoid(load(dtype, logits, i)) - static_cast<float>(targets[i]) / 255.0F) * s);
}

__global__ void kl_gradient_kernel(Dtype dtype, const void* mu, const void* logvar, const float* scale,
                                   void* d_mu, void* d_logvar, std::int64_t n) {
  const float s = *scale;
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    store(dtype, d_mu, i, load(dtype, mu, i) * s);
    store(dtype, d_logvar, i, 0.5F * (expf(load(dtype, logvar, i)) - 1.0F) * s);
  }
}

__global__ void unit_range_kernel(Dtype dtype, const std::uint8_t* in, void* out, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step())
    store(dtype, out, i, static_cast<float>(in[i]) / 255.0F);
}

__global__ void normal_kernel(Dtype dtype, void* out, std::int64_t rows, std::int64_t columns,
                              std::uint64_t seed, std::uint32_t stream_id, std::uint64_t first_row) {
  for (std::int64_t i = first_index(); i < rows * columns; i += index_step())
    store(dtype, out, i,
          normal(seed, stream_id, first_row + static_cast<std::uint64_t>(i / columns), i % columns));
}

__global__ void reparameterize_kernel(Dtype dtype, const void* mu, const void* logvar, void* z,
                                      std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                                      std::uint64_t first_row) {
  for (std::int64_t i = first_index(); i < rows * columns; i += index_step()) {
    const float eps = normal(seed, kLatent, first_row + static_cast<std::uint64_t>(i / columns), i % columns);
    store(dtype, z, i, load(dtype, mu, i) + expf(0.5F * load(dtype, logvar, i)) * eps);
  }
}

__global__ void reparameterize_gradient_kernel(Dtype dtype, const void* dz, const void* logvar,
                                               void* d_logvar, std::int64_t rows, std::int64_t columns,
                                               std::uint64_t seed, std::uint64_t first_row) {
  for (std::int64_t i = first_index(); i < rows * columns; i += index_step()) {
    const float eps = normal(seed, kLatent, first_row + static_cast<std::uint64_t>(i / columns), i % columns);
    store(dtype, d_logvar, i, load(dtype, dz, i) * 0.5F * expf(0.5F * load(dtype, logvar, i)) * eps);
  }
}

}  // namespace

void bernoulli(Dtype dtype, const void* logits, const std::uint8_t* targets, std::int64_t n, double* partial,
               float* out, void* stream) {
  bernoulli_kernel<<<kBlocks, kThreads, 0, on(stream)>>>(dtype, logits, targets, n, partial);
  combine_kernel<<<1, kThreads, 0, on(stream)>>>(partial, out);
  check_launch("bernoulli");
}

void kl(Dtype dtype, const void* mu, const void* logvar, std::int64_t n, double* partial, float* out,
        void* stream) {
  kl_kernel<<<kBlocks, kThreads, 0, on(stream)>>>(dtype, mu, logvar, n, partial);
  combine_kernel<<<1, kThreads, 0, on(stream)>>>(partial, out);
  check_launch("kl");
}

void bernoulli_gradient(Dtype dtype, const void* logits, const std::uint8_t* targets, const float* scale,
                        void* gradient, std::int64_t n, void* stream) {
  bernoulli_gradient_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(dtype, logits, targets, scale, gradient,
                                                                      n);
  check_launch("bernoulli_gradient");
}

void kl_gradient(Dtype dtype, const void* mu, const void* logvar, const float* scale, void* d_mu,
                 void* d_logvar, std::int64_t n, void* stream) {
  kl_gradient_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(dtype, mu, logvar, scale, d_mu, d_logvar, n);
  check_launch("kl_gradient");
}

void unit_range(Dtype dtype, const std::uint8_t* in, void* out, std::int64_t n, void* stream) {
  unit_range_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(dtype, in, out, n);
  check_launch("unit_range");
}

void normal_rows(Dtype dtype, void* out, std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                 std::uint32_t stream_id, std::uint64_t first_row, void* stream) {
  normal_kernel<<<grid_for(rows * columns), kThreads, 0, on(stream)>>>(dtype, out, rows, columns, seed,
                                                                       stream_id, first_row);
  check_launch("normal_rows");
}

void reparameterize(Dtype dtype, const void* mu, const void* logvar, void* z, std::int64_t rows,
                    std::int64_t columns, std::uint64_t seed, std::uint64_t first_row, void* stream) {
  reparameterize_kernel<<<grid_for(rows * columns), kThreads, 0, on(stream)>>>(dtype, mu, logvar, z, rows,
                                                                               columns, seed, first_row);
  check_launch("reparameterize");
}

void reparameterize_gradient(Dtype dtype, const void* dz, const void* logvar, void* d_logvar,
                             std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                             std::uint64_t first_row, void* stream) {
  reparameterize_gradient_kernel<<<grid_for(rows * columns), kThreads, 0, on(stream)>>>(
      dtype, dz, logvar, d_logvar, rows, columns, seed, first_row);
  check_launch("reparameterize_gradient");
}

}  // namespace ebb::numerics::device
