// SPDX-License-Identifier: Apache-2.0
#include "numerics/cuda/vectors.cuh"
#include "numerics/cuda_table.h"

// Compiled without fused multiply-adds: the same operations as on the CPU give the same bits.
namespace ebb::numerics::device {
namespace {

__device__ float join_one(Dtype dtype, const void* weight, const std::int16_t* residual, std::int64_t i) {
  if (dtype == Dtype::fp32) return static_cast<const float*>(weight)[i];
  const auto difference = static_cast<std::int32_t>(residual[i]);
  if (dtype == Dtype::bf16) {
    const std::uint32_t high = static_cast<const std::uint16_t*>(weight)[i];
    return __uint_as_float((high << 16) + static_cast<std::uint32_t>(difference));
  }
  const float high = load(dtype, weight, i);
  if (fabsf(high) < 0x1p-16F) return high + static_cast<float>(difference) * 0x1p-40F;
  return __uint_as_float(__float_as_uint(high) + static_cast<std::uint32_t>(difference));
}

__device__ void split_one(Dtype dtype, float master, void* weight, std::int16_t* residual, std::int64_t i) {
  const std::uint32_t bits = __float_as_uint(master);
  if (dtype == Dtype::fp32) {
    static_cast<float*>(weight)[i] = master;
  } else if (dtype == Dtype::bf16) {
    static_cast<std::uint16_t*>(weight)[i] = static_cast<std::uint16_t>((bits + 0x8000U) >> 16);
    residual[i] = static_cast<std::int16_t>(bits & 0xffffU);
  } else {
    store(dtype, weight, i, master);
    const float high = load(dtype, weight, i);
    std::int32_t difference = 0;
    if (fabsf(high) < 0x1p-16F)
      difference = __float2int_rn((master - high) * 0x1p40F);
    else if (fabsf(high) <= 65504.0F)
      difference = static_cast<std::int32_t>(bits - __float_as_uint(high));
    residual[i] =
        static_cast<std::int16_t>(difference > 32767 ? 32767 : (difference < -32768 ? -32768 : difference));
  }
}

// The tensors of a launch: block i works on part i - first[t] of tensor t, whose parts are
// [first[t], first[t + 1]). A kernel takes at most 4 KiB by value.
template <class Item, int kMost>
struct Group {
  Item items[kMost];
  int first[kMost + 1];
  int count = 0;

  __device__ int tensor_of(int block) const {
    int low = 0, high = count - 1;
    while (low < high) {
      const int middle = (low + high + 1) / 2;
      if (first[middle] <= block)
        low = middle;
      else
        high = middle - 1;
    }
    return low;
  }
};

// body(group, index of its first item) for all items, in groups.
template <class Item, int kMost, class Body>
void in_groups(const Item* items, std::int64_t count, const Body& body) {
  for (std::int64_t begin = 0; begin < count; begin += kMost) {
    Group<Item, kMost> group;
    group.first[0] = 0;
    for (; group.count < kMost && begin + group.count < count; ++group.count) {
      const Item& item = items[begin + group.count];
      group.items[group.count] = item;
      group.first[group.count + 1] = group.first[group.count] + static_cast<int>(cuda_parts(item.n));
    }
    if (group.first[group.count] > 0) body(group, begin);
  }
}

using Updates = Group<Update, 48>;
using Ranges = Group<Range, 128>;

constexpr int kElementsAtOnce = 4;  // of a thread

// Elements [i, i + W) of `data`, which is of `dtype`.
template <int W>
__device__ void load_some(Dtype dtype, const void* data, std::int64_t i, float (&out)[W]) {
  if (dtype == Dtype::fp16)
    read<__half, W>(data, i, out);
  else if (dtype == Dtype::bf16)
    read<__nv_bfloat16, W>(data, i, out);
  else
    read<float, W>(data, i, out);
}

template <int W>
__device__ void adamw_some(Dtype dtype, Dtype gradient_dtype, const Update& u, const AdamWFactors& f,
                           std::int64_t i) {
  float grad[W], first[W], second[W];
  Pack<std::uint16_t, W> weight;
  Pack<std::int16_t, W> residual;
  load_some<W>(gradient_dtype, u.gradient, i, grad);
  read<float, W>(u.m, i, first);
  read<float, W>(u.v, i, second);
  float master[W];
  if (dtype == Dtype::fp32) {
    read<float, W>(u.weight, i, master);
  } else {
    weight =
        *reinterpret_cast<const Pack<std::uint16_t, W>*>(static_cast<const std::uint16_t*>(u.weight) + i);
    residual = *reinterpret_cast<const Pack<std::int16_t, W>*>(u.residual + i);
  }
#pragma unroll
  for (int k = 0; k < W; ++k) {
    const float w = dtype == Dtype::fp32 ? master[k] : join_one(dtype, weight.element, residual.element, k);
    const float g = grad[k] * f.gradient_scale;
    first[k] = first[k] + (g - first[k]) * f.one_minus_beta1;
    second[k] = second[k] * f.beta2 + (g * g) * f.one_minus_beta2;
    const float denominator = sqrtf(second[k]) * f.second_moment_scale + f.eps;
    const float next = w * u.decay_factor - f.step_size * (first[k] / denominator);
    if (dtype == Dtype::fp32)
      master[k] = next;
    else
      split_one(dtype, next, weight.element, residual.element, k);
  }
  write<float, W>(u.m, i, first);
  write<float, W>(u.v, i, second);
  if (dtype == Dtype::fp32) {
    write<float, W>(u.weight, i, master);
  } else {
    *reinterpret_cast<Pack<std::uint16_t, W>*>(static_cast<std::uint16_t*>(u.weight) + i) = weight;
    *reinterpret_cast<Pack<std::int16_t, W>*>(u.residual + i) = residual;
  }
}

template <int W>
__device__ bool is_aligned_for(const void* data, int element) {
  return reinterpret_cast<std::uintptr_t>(data) % static_cast<unsigned>(W * element) == 0;
}

// The dtypes are template constants, so that the loop does not branch on them.
template <Dtype kDtype, Dtype kGradient>
__global__ void adamw_kernel(Updates group, AdamWFactors f) {
  const int t = group.tensor_of(static_cast<int>(blockIdx.x));
  const Update u = group.items[t];
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x - group.first[t]) * kCudaPart;
  const std::int64_t end = begin + kCudaPart < u.n ? begin + kCudaPart : u.n;
  constexpr int W = kElementsAtOnce;
  const bool aligned = is_aligned_for<W>(u.weight, kDtype == Dtype::fp32 ? 4 : 2) &&
                       is_aligned_for<W>(u.residual, 2) &&
                       is_aligned_for<W>(u.gradient, kGradient == Dtype::fp32 ? 4 : 2) &&
                       is_aligned_for<W>(u.m, 4) && is_aligned_for<W>(u.v, 4);
  const std::int64_t whole = aligned ? begin + (end - begin) / W * W : begin;
  for (std::int64_t i = begin + threadIdx.x * W; i < whole; i += kThreads * W)
    adamw_some<W>(kDtype, kGradient, u, f, i);
  for (std::int64_t i = whole + threadIdx.x; i < end; i += kThreads)
    adamw_some<1>(kDtype, kGradient, u, f, i);
}

// body(std::integral_constant<Dtype, K>{}) with K = dtype.
template <class Body>
void with_dtype(Dtype dtype, const Body& body) {
  if (dtype == Dtype::fp16)
    body(std::integral_constant<Dtype, Dtype::fp16>{});
  else if (dtype == Dtype::bf16)
    body(std::integral_constant<Dtype, Dtype::bf16>{});
  else
    body(std::integral_constant<Dtype, Dtype::fp32>{});
}

__global__ void split_kernel(Dtype dtype, const float* master, void* weight, std::int16_t* residual,
                             std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step())
    split_one(dtype, master[i], weight, residual, i);
}

__global__ void join_kernel(Dtype dtype, const void* weight, const std::int16_t* residual, float* master,
                            std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step())
    master[i] = join_one(dtype, weight, residual, i);
}

__global__ void stats_kernel(Dtype dtype, Ranges group, double* partial) {
  const int t = group.tensor_of(static_cast<int>(blockIdx.x));
  const Range range = group.items[t];
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x - group.first[t]) * kCudaPart;
  const std::int64_t end = begin + kCudaPart < range.n ? begin + kCudaPart : range.n;
  double sum = 0;
  int bad = 0;
  const auto count_one = [&](float g) {
    if (isfinite(g))
      sum += static_cast<double>(g) * static_cast<double>(g);
    else
      ++bad;
  };
  // The order of a sum must not depend on the alignment of a range: a thread has the same elements either
  // way.
  constexpr int W = kElementsAtOnce;
  const bool aligned = is_aligned_for<W>(range.data, dtype == Dtype::fp32 ? 4 : 2);
  for (std::int64_t i = begin + threadIdx.x * W; i < end; i += kThreads * W) {
    if (aligned && i + W <= end) {
      float some[W];
      load_some<W>(dtype, range.data, i, some);
#pragma unroll
      for (int k = 0; k < W; ++k) count_one(some[k]);
    } else {
      for (std::int64_t k = i; k < i + W && k < end; ++k) count_one(load(dtype, range.data, k));
    }
  }
  sum = block_sum(sum);
  const double count = block_sum(bad);
  if (threadIdx.x == 0) partial[2 * blockIdx.x] = sum, partial[2 * blockIdx.x + 1] = count;
}

__global__ void combine_stats_kernel(Ranges group, const double* partial, double* out) {
  double sum = 0;
  double bad = 0;
  for (int i = group.first[blockIdx.x] + static_cast<int>(threadIdx.x); i < group.first[blockIdx.x + 1];
       i += kThreads)
    sum += partial[2 * i], bad += partial[2 * i + 1];
  sum = block_sum(sum);
  bad = block_sum(bad);
  if (threadIdx.x == 0) out[2 * blockIdx.x] = sum, out[2 * blockIdx.x + 1] = bad;
}

}  // namespace

int compute_capability() {
  int device = 0, major = 0, minor = 0;
  const bool known =
      cudaGetDevice(&device) == cudaSuccess &&
      cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
      cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess;
  return known ? 10 * major + minor : 0;
}

void adamw(Dtype weight_dtype, Dtype gradient_dtype, const Update* items, std::int64_t count,
           const AdamWFactors* factors, void* stream) {
  with_dtype(weight_dtype, [&](auto weight) {
    with_dtype(gradient_dtype, [&](auto gradient) {
      in_groups<Update, 48>(items, count, [&](const Updates& group, std::int64_t) {
        adamw_kernel<decltype(weight)::value, decltype(gradient)::value>
            <<<group.first[group.count], kThreads, 0, on(stream)>>>(group, *factors);
      });
    });
  });
  check_launch("adamw");
}

void split(Dtype dtype, const float* master, void* weight, std::int16_t* residual, std::int64_t n,
           void* stream) {
  split_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(dtype, master, weight, residual, n);
  check_launch("split");
}

void join(Dtype dtype, const void* weight, const std::int16_t* residual, float* master, std::int64_t n,
          void* stream) {
  join_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(dtype, weight, residual, master, n);
  check_launch("join");
}

void stats(Dtype dtype, const Range* ranges, std::int64_t count, double* partial, double* out, void* stream) {
  in_groups<Range, 128>(ranges, count, [&](const Ranges& group, std::int64_t begin) {
    stats_kernel<<<group.first[group.count], kThreads, 0, on(stream)>>>(dtype, group, partial);
    combine_stats_kernel<<<group.count, kThreads, 0, on(stream)>>>(group, partial, out + 2 * begin);
    partial += 2 * group.first[group.count];
  });
  check_launch("stats");
}

}  // namespace ebb::numerics::device
