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

// Tensors whose parts a launch's blocks share: block i works on part i - first[t] of the tensor t whose parts
// are [first[t], first[t + 1]). What a kernel takes by value is at most 4 KiB.
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

// body(group, number of its first item) for all items, in groups.
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

__global__ void adamw_kernel(Kind kind, Kind gradient_kind, Updates group, cpu::AdamWFactors f) {
  const int t = group.tensor_of(static_cast<int>(blockIdx.x));
  const Update u = group.items[t];
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x - group.first[t]) * kCudaPart;
  const std::int64_t end = begin + kCudaPart < u.n ? begin + kCudaPart : u.n;
  const auto one = [&](std::int64_t i) {
    const float w = join_one(kind, u.weight, u.low, i);
    const float grad = load(gradient_kind, u.gradient, i) * f.gradient_scale;
    const float first = u.m[i] + (grad - u.m[i]) * f.beta1_rest;
    const float second = u.v[i] * f.beta2 + (grad * grad) * f.beta2_rest;
    const float denominator = sqrtf(second) * f.root_scale + f.eps;
    u.m[i] = first;
    u.v[i] = second;
    split_one(kind, w * u.keep - f.step_size * (first / denominator), u.weight, u.low, i);
  };
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kThreads) one(i);
}

__global__ void split_kernel(Kind kind, const float* master, void* weight, std::int16_t* low,
                             std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) split_one(kind, master[i], weight, low, i);
}

__global__ void join_kernel(Kind kind, const void* weight, const std::int16_t* low, float* master,
                            std::int64_t n) {
  for (std::int64_t i = first_index(); i < n; i += index_step()) master[i] = join_one(kind, weight, low, i);
}

__global__ void stats_kernel(Kind kind, Ranges group, double* partial) {
  const int t = group.tensor_of(static_cast<int>(blockIdx.x));
  const Range range = group.items[t];
  const std::int64_t begin = static_cast<std::int64_t>(blockIdx.x - group.first[t]) * kCudaPart;
  const std::int64_t end = begin + kCudaPart < range.n ? begin + kCudaPart : range.n;
  double sum = 0;
  int bad = 0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += kThreads) {
    const float g = load(kind, range.data, i);
    if (isfinite(g))
      sum += static_cast<double>(g) * static_cast<double>(g);
    else
      ++bad;
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

cudaStream_t on(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

}  // namespace

int compute_capability() {
  int device = 0, major = 0, minor = 0;
  const bool known = cudaGetDevice(&device) == cudaSuccess &&
                     cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess &&
                     cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device) == cudaSuccess;
  return known ? 10 * major + minor : 0;
}

void adamw(Kind weight_kind, Kind gradient_kind, const Update* items, std::int64_t count,
           const cpu::AdamWFactors* how, void* stream) {
  in_groups<Update, 48>(items, count, [&](const Updates& group, std::int64_t) {
    adamw_kernel<<<group.first[group.count], kThreads, 0, on(stream)>>>(weight_kind, gradient_kind, group, *how);
  });
}

void split(Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n, void* stream) {
  split_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(kind, master, weight, low, n);
}

void join(Kind kind, const void* weight, const std::int16_t* low, float* master, std::int64_t n,
          void* stream) {
  join_kernel<<<grid_for(n), kThreads, 0, on(stream)>>>(kind, weight, low, master, n);
}

void stats(Kind kind, const Range* ranges, std::int64_t count, double* partial, double* out, void* stream) {
  in_groups<Range, 128>(ranges, count, [&](const Ranges& group, std::int64_t begin) {
    stats_kernel<<<group.first[group.count], kThreads, 0, on(stream)>>>(kind, group, partial);
    combine_stats_kernel<<<group.count, kThreads, 0, on(stream)>>>(group, partial, out + 2 * begin);
    partial += 2 * group.first[group.count];
  });
}

}  // namespace ebb::numerics::device
