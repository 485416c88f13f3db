#include "numerics/cuda/device.cuh"
#include "numerics/cuda/launch.h"

// Compiled without contraction into fused multiply-adds: the same operations as on the CPU give the same
// bits.
namespace ebb::numerics::device {
namespace {

__device__ float join_one(Kind kind, const void* weight, const std::int16_t* low, std::int64_t i) {
  if (kind == Kind::f32) return static_cast<const float*>(weight)[i];
  const auto residual = static_cast<std::int32_t>(low[i]);
  if (kind == Kind::bf16) {
    const std::uint32_t high = static_cast<const std::uint16_t*>(weight)[i];
    return __uint_as_float((high << 16) + static_cast<std::uint32_t>(residual));
  }
  const float high = load(kind, weight, i);
  if (fabsf(high) < 0x1p-16F) return high + static_cast<float>(residual) * 0x1p-40F;
  return __uint_as_float(__float_as_uint(high) + static_cast<std::uint32_t>(residual));
}

__device__ void split_one(Kind kind, float master, void* weight, std::int16_t* low, std::int64_t i) {
  const std::uint32_t bits = __float_as_uint(master);
  if (kind == Kind::f32) {
    static_cast<float*>(weight)[i] = master;
  } else if (kind == Kind::bf16) {
    static_cast<std::uint16_t*>(weight)[i] = static_cast<std::uint16_t>((bits + 0x8000U) >> 16);
    low[i] = static_cast<std::int16_t>(bits & 0xffffU);
  } else {
    store(kind, weight, i, master);
    const float high = load(kind, weight, i);
    std::int32_t residual = 0;
    if (fabsf(high) < 0x1p-16F)
      residual = __float2int_rn((master - high) * 0x1p40F);
    else if (fabsf(high) <= 65504.0F)
      residual = static_cast<std::int32_t>(bits - __float_as_uint(high));
    low[i] = static_cast<std::int16_t>(residual > 32767 ? 32767 : (residual < -32768 ? -32768 : residual));
  }
}

__global__ void adamw_kernel(Kind kind, void* weight, std::int16_t* low, Kind gradient_kind,
                             const void* gradient, float* m, float* v, cpu::AdamWFactors f, std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const float w = join_one(kind, weight, low, i);
    const float grad = load(gradient_kind, gradient, i) * f.gradient_scale;
    const float first = m[i] + (grad - m[i]) * f.beta1_rest;
    const float second = v[i] * f.beta2 + (grad * grad) * f.beta2_rest;
    const float denominator = sqrtf(second) * f.root_scale + f.eps;
    m[i] = first;
    v[i] = second;
    split_one(kind, w * f.keep - f.step_size * (first / denominator), weight, low, i);
  }
}

__global__ void split_kernel(Kind kind, const float* master, void* weight, std::int16_t* low,
                             std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) split_one(kind, master[i], weight, low, i);
}

__global__ void join_kernel(Kind kind, const void* weight, const std::int16_t* low, float* master,
                            std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) master[i] = join_one(kind, weight, low, i);
}

__global__ void stats_kernel(Kind kind, const void* gradient, std::int64_t n, double* partial) {
  double sum = 0;
  double bad = 0;
  for (std::int64_t i = first_index(); i < n; i += index_step()) {
    const float g = load(kind, gradient, i);
    if (isfinite(g))
      sum += static_cast<double>(g) * static_cast<double>(g);
    else
      bad += 1;
  }
  sum = block_sum(sum);
  bad = block_sum(bad);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum, partial[kBlocks + blockIdx.x] = bad;
}

__global__ void combine_stats_kernel(const double* partial, double* out) {
  double sum = 0;
  double bad = 0;
  for (int i = static_cast<int>(threadIdx.x); i < kBlocks; i += kThreads)
    sum += partial[i], bad += partial[kBlocks + i];
  sum = block_sum(sum);
  bad = block_sum(bad);
  if (threadIdx.x == 0) out[0] = sum, out[1] = bad;
}

cudaStream_t on(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

}  // namespace

void adamw(Kind weight_kind, void* weight, std::int16_t* low, Kind gradient_kind, const void* gradient,
           float* m, float* v, const cpu::AdamWFactors* how, std::int64_t n, void* stream) {
  adamw_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(weight_kind, weight, low, gradient_kind, gradient, m,
                                                         v, *how, n);
}

void split(Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n, void* stream) {
  split_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(kind, master, weight, low, n);
}

void join(Kind kind, const void* weight, const std::int16_t* low, float* master, std::int64_t n,
          void* stream) {
  join_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(kind, weight, low, master, n);
}

void stats(Kind kind, const void* gradient, std::int64_t n, double* partial, double* out, void* stream) {
  stats_kernel<<<kBlocks, kThreads, 0, on(stream)>>>(kind, gradient, n, partial);
  combine_stats_kernel<<<1, kThreads, 0, on(stream)>>>(partial, out);
}

}  // namespace ebb::numerics::device
