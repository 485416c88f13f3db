// SPDX-License-Identifier: Apache-2.0
#include "comm/combine.h"

#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "base/error.h"
#include "base/processor.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace ebb::comm {
namespace {

constexpr std::size_t kBlock = 1024;  // elements; their accumulator fits the first-level cache

// Convert a block to or from the accumulator's type. F is the stored type, A the accumulator's.
template <class F, class A>
void load(const F* from, A* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<A>(from[i]);
}
template <class F, class A>
void store(const A* from, F* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<F>(from[i]);
}

#if defined(__x86_64__)
[[gnu::target("avx512f")]] void load_half_avx512(const c10::Half* from, float* to, std::size_t n) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i));
    _mm512_storeu_ps(to + i, _mm512_cvtph_ps(half));
  }
  for (; i < n; ++i) to[i] = static_cast<float>(from[i]);
}
[[gnu::target("avx512f")]] void store_half_avx512(const float* from, c10::Half* to, std::size_t n) {
  std::size_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const __m256i half =
        _mm512_cvtps_ph(_mm512_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i), half);
  }
  for (; i < n; ++i) to[i] = static_cast<c10::Half>(from[i]);
}
[[gnu::target("avx2,f16c")]] void load_half_f16c(const c10::Half* from, float* to, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(half));
  }
  for (; i < n; ++i) to[i] = static_cast<float>(from[i]);
}
[[gnu::target("avx2,f16c")]] void store_half_f16c(const float* from, c10::Half* to, std::size_t n) {
  std::size_t i = 0;
  for (; i + 8 <= n; i += 8) {
    const __m128i half =
        _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), half);
  }
  for (; i < n; ++i) to[i] = static_cast<c10::Half>(from[i]);
}

enum class Vectors { none, f16c, avx512 };
Vectors vectors() {
  static const Vectors found = __builtin_cpu_supports("avx512f")              ? Vectors::avx512
                               : __builtin_cpu_supports("avx2") && has_f16c() ? Vectors::f16c
                                                                              : Vectors::none;
  return found;
}

template <>
void load(const c10::Half* from, float* to, std::size_t n) {
  if (vectors() == Vectors::avx512) return load_half_avx512(from, to, n);
  if (vectors() == Vectors::f16c) return load_half_f16c(from, to, n);
  for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<float>(from[i]);
}
template <>
void store(const float* from, c10::Half* to, std::size_t n) {
  if (vectors() == Vectors::avx512) return store_half_avx512(from, to, n);
  if (vectors() == Vectors::f16c) return store_half_f16c(from, to, n);
  for (std::size_t i = 0; i < n; ++i) to[i] = static_cast<c10::Half>(from[i]);
}
#endif

template <class A>
A apply(ReduceOp op, A left, A right) {
  if constexpr (std::is_floating_point_v<A>) {
    if (op == ReduceOp::sum) return left + right;
    if (std::isnan(left)) return left;
    if (std::isnan(right)) return right;
  } else if (op == ReduceOp::sum) {
    using U = std::make_unsigned_t<A>;  // signed overflow is undefined, unsigned overflow wraps
    return static_cast<A>(static_cast<U>(static_cast<U>(left) + static_cast<U>(right)));
  }
  return op == ReduceOp::max ? std::max(left, right) : std::min(left, right);
}

// The operation is a template argument, so the compiler can vectorise the sum.
template <ReduceOp Op, class A>
void merge(A* into, const A* from, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) into[i] = apply(Op, into[i], from[i]);
}

template <class F, class A>
void combine_as(ReduceOp op, std::span<const std::byte* const> sources, std::byte* target,
                std::size_t count) {
  alignas(64) A sum[kBlock];
  alignas(64) A next[kBlock];
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t n = std::min(kBlock, count - begin);
    load<F, A>(reinterpret_cast<const F*>(sources[0]) + begin, sum, n);
    for (std::size_t s = 1; s < sources.size(); ++s) {
      load<F, A>(reinterpret_cast<const F*>(sources[s]) + begin, next, n);
      if (op == ReduceOp::sum) merge<ReduceOp::sum>(sum, next, n);
      if (op == ReduceOp::max) merge<ReduceOp::max>(sum, next, n);
      if (op == ReduceOp::min) merge<ReduceOp::min>(sum, next, n);
    }
    store<F, A>(sum, reinterpret_cast<F*>(target) + begin, n);
  }
}

}  // namespace

void combine(at::ScalarType type, ReduceOp op, std::span<const std::byte* const> sources, std::byte* target,
             std::size_t count) {
  if (sources.empty() || count == 0) return;
  switch (type) {
    case at::kHalf:
      return combine_as<c10::Half, float>(op, sources, target, count);
    case at::kBFloat16:
      return combine_as<c10::BFloat16, float>(op, sources, target, count);
    case at::kFloat:
      return combine_as<float, float>(op, sources, target, count);
    case at::kDouble:
      return combine_as<double, double>(op, sources, target, count);
    case at::kLong:
      return combine_as<std::int64_t, std::int64_t>(op, sources, target, count);
    case at::kInt:
      return combine_as<std::int32_t, std::int32_t>(op, sources, target, count);
    case at::kByte:
      return combine_as<std::uint8_t, std::uint8_t>(op, sources, target, count);
    default:
      throw Error(ExitCode::internal,
                  fmt::format("ranks cannot combine tensors of dtype {}", c10::toString(type)));
  }
}

}  // namespace ebb::comm
