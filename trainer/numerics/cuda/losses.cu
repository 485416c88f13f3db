#include "numerics/cuda_table.h"
#include "numerics/cuda/vectors.cuh"

namespace ebb::numerics::device {
namespace {

constexpr std::uint32_t kLatent = 3;  // Stream::latent of base/philox.h

__device__ float sigmoid(float x) {
  return 1.0F / (1.0F + expf(-x));
}

__global__ void bernoulli_kernel(Kind kind, const void* logits, const std::uint8_t* targets, std::int64_t n,
                                 double* partial) {
  double sum = 0;
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const float x = load(kind, logits, i);
    const float t = static_cast<float>(targets[i]) / 255.0F;
    sum += static_cast<double>((x < 0.0F ? 0.0F : x) + log1pf(expf(-fabsf(x))) - t * x);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

__global__ void kl_kernel(Kind kind, const void* mu, const void* logvar, std::int64_t n, double* partial) {
  double sum = 0;
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const float m = load(kind, mu, i);
    const float l = load(kind, logvar, i);
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

__global__ void bernoulli_gradient_kernel(Kind kind, const void* logits, const std::uint8_t* targets,
                                          const float* scale, void* gradient, std::int64_t n) {
  const float s = *scale;
  for (std::int64_t i = first_index(); i < n; i += index_step())
    store(kind, gradient, i, (sigmoid(load(kind, logits, i)) - static_cast<float>(targets[i]) / 255.0F) * s);
}

__global__ void kl_gradient_kernel(Kind kind, const void* mu, const void* logvar, const float* scale,
                                   void* d_mu, void* d_logvar, std::int64_t n) {
  const float s = *scale;
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    store(kind, d_mu, i, load(kind, mu, i) * s);
    store(kind, d_logvar, i, 0.5F * (expf(load(kind, logvar, i)) - 1.0F) * s);
  }
}

__global__ void unit_range_kernel(Kind kind, const std::uint8_t* in, void* out, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step())
    store(kind, out, i, static_cast<float>(in[i]) / 255.0F);
}

__global__ void normal_kernel(Kind kind, void* out, std::int64_t rows, std::int64_t columns,
                              std::uint64_t seed, std::uint32_t stream_id, std::uint64_t first_row) {
  for (std::int64_t i = first_index(); i < rows * columns; i += index_step())
    store(kind, out, i,
          normal(seed, stream_id, first_row + static_cast<std::uint64_t>(i / columns), i % columns));
}

__global__ void reparameterize_kernel(Kind kind, const void* mu, const void* logvar, void* z,
                                      std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                                      std::uint64_t first_row) {
  for (std::int64_t i = first_index(); i < rows * columns; i += index_step()) {
    const float eps = normal(seed, kLatent, first_row + static_cast<std::uint64_t>(i / columns), i % columns);
    store(kind, z, i, load(kind, mu, i) + expf(0.5F * load(kind, logvar, i)) * eps);
  }
}

__global__ void reparameterize_gradient_kernel(Kind kind, const void* dz, const void* logvar, void* d_logvar,
                                               std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                                               std::uint64_t first_row) {
  for (std::int64_t i = first_index(); i < rows * columns; i += index_step()) {
    const float eps = normal(seed, kLatent, first_row + static_cast<std::uint64_t>(i / columns), i % columns);
    store(kind, d_logvar, i, load(kind, dz, i) * 0.5F * expf(0.5F * load(kind, logvar, i)) * eps);
  }
}

}  // namespace

void bernoulli(Kind kind, const void* logits, const std::uint8_t* targets, std::int64_t n, double* partial,
               float* out, void* stream) {
  bernoulli_kernel<<<kBlocks, kThreads, 0, on(stream)>>>(kind, logits, targets, n, partial);
  combine_kernel<<<1, kThreads, 0, on(stream)>>>(partial, out);
  check_launch("bernoulli");
}

void kl(Kind kind, const void* mu, const void* logvar, std::int64_t n, double* partial, float* out,
        void* stream) {
  kl_kernel<<<kBlocks, kThreads, 0, on(stream)>>>(kind, mu, logvar, n, partial);
  combine_kernel<<<1, kThreads, 0, on(stream)>>>(partial, out);
  check_launch("kl");
}

void bernoulli_gradient(Kind kind, const void* logits, const std::uint8_t* targets, const float* scale,
                        void* gradient, std::int64_t n, void* stream) {
  bernoulli_gradient_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(kind, logits, targets, scale, gradient,
                                                                      n);
  check_launch("bernoulli_gradient");
}

void kl_gradient(Kind kind, const void* mu, const void* logvar, const float* scale, void* d_mu,
                 void* d_logvar, std::int64_t n, void* stream) {
  kl_gradient_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(kind, mu, logvar, scale, d_mu, d_logvar, n);
  check_launch("kl_gradient");
}

void unit_range(Kind kind, const std::uint8_t* in, void* out, std::int64_t n, void* stream) {
  unit_range_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(kind, in, out, n);
  check_launch("unit_range");
}

void normal_rows(Kind kind, void* out, std::int64_t rows, std::int64_t columns, std::uint64_t seed,
                 std::uint32_t stream_id, std::uint64_t first_row, void* stream) {
  normal_kernel<<<grid_for(rows * columns), kThreads, 0, on(stream)>>>(kind, out, rows, columns, seed,
                                                                       stream_id, first_row);
  check_launch("normal_rows");
}

void reparameterize(Kind kind, const void* mu, const void* logvar, void* z, std::int64_t rows,
                    std::int64_t columns, std::uint64_t seed, std::uint64_t first_row, void* stream) {
  reparameterize_kernel<<<grid_for(rows * columns), kThreads, 0, on(stream)>>>(kind, mu, logvar, z, rows,
                                                                               columns, seed, first_row);
  check_launch("reparameterize");
}

void reparameterize_gradient(Kind kind, const void* dz, const void* logvar, void* d_logvar, std::int64_t rows,
                             std::int64_t columns, std::uint64_t seed, std::uint64_t first_row,
                             void* stream) {
  reparameterize_gradient_kernel<<<grid_for(rows * columns), kThreads, 0, on(stream)>>>(
      kind, dz, logvar, d_logvar, rows, columns, seed, first_row);
  check_launch("reparameterize_gradient");
}

}  // namespace ebb::numerics::device
