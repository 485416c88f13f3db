#pragma once
// The loops of kernels.h, written once. They are instantiated for each instruction set by kernels_scalar.cpp
// and kernels_avx512.cpp, inside functions whose target attribute lets the compiler vectorise them; only the
// 16-bit conversions (`Convert`) are written by hand. Compiled without contraction into fused multiply-adds,
// so that all sets give the same bits.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "numerics/cpu/kernels.h"
#include "numerics/cpu/scalar.h"

#define EBB_INLINE inline __attribute__((always_inline))

namespace ebb::numerics::cpu {

constexpr std::int64_t kBlock = 512;  // elements that a loop holds on the stack as floats
constexpr int kLanes = 16;            // partial sums of a reduction, whatever the vector's width

EBB_INLINE std::int64_t size_of(Kind kind) {
  return kind == Kind::f32 ? 4 : 2;
}
EBB_INLINE const void* at(const void* base, Kind kind, std::int64_t i) {
  return static_cast<const char*>(base) + i * size_of(kind);
}
EBB_INLINE void* at(void* base, Kind kind, std::int64_t i) {
  return static_cast<char*>(base) + i * size_of(kind);
}

template <class Convert>
EBB_INLINE void load(Kind kind, const void* in, float* out, std::int64_t n) {
  if (kind == Kind::f16)
    Convert::from_half(static_cast<const std::uint16_t*>(in), out, n);
  else if (kind == Kind::bf16)
    Convert::from_brain(static_cast<const std::uint16_t*>(in), out, n);
  else
    std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(float));
}

template <class Convert>
EBB_INLINE void store(Kind kind, const float* in, void* out, std::int64_t n) {
  if (kind == Kind::f16)
    Convert::to_half(in, static_cast<std::uint16_t*>(out), n);
  else if (kind == Kind::bf16)
    Convert::to_brain(in, static_cast<std::uint16_t*>(out), n);
  else
    std::memcpy(out, in, static_cast<std::size_t>(n) * sizeof(float));
}

// e^x to about 1 ulp by x = k ln2 + r and a polynomial in r; clamped to the range of normal floats.
EBB_INLINE float exponential(float x) {
  x = x < -87.0F ? -87.0F : (x > 88.0F ? 88.0F : x);
  const float shifted = x * 1.44269504F + 12582912.0F;  // 1.5 * 2^23: the addition rounds to an integer
  const float k = shifted - 12582912.0F;
  const float r = (x - k * 0.693359375F) - k * -2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  const float e = (p * (r * r) + r) + 1.0F;
  const std::uint32_t scale = (bits_of(shifted) - 0x4b400000U + 127U) << 23;
  return e * float_of(scale);
}

// log(1 + y) for y in [0, 1], by 2 atanh(y / (2 + y)).
EBB_INLINE float log_one_plus(float y) {
  const float s = y / (2.0F + y);  // in [0, 1/3]
  const float q = s * s;
  float p = 1.0F / 15.0F;
  p = p * q + 1.0F / 13.0F;
  p = p * q + 1.0F / 11.0F;
  p = p * q + 1.0F / 9.0F;
  p = p * q + 1.0F / 7.0F;
  p = p * q + 1.0F / 5.0F;
  p = p * q + 1.0F / 3.0F;
  return 2.0F * (s + s * (q * p));
}

EBB_INLINE float sigmoid(float x) {
  return 1.0F / (1.0F + exponential(-x));
}

EBB_INLINE void finish_block(float* values, Act act, std::int64_t n) {
  if (act == Act::relu) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = values[i] < 0.0F ? 0.0F : values[i];  // keeps NaN
  } else if (act == Act::silu) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = values[i] * sigmoid(values[i]);
  }
}

template <class Convert>
EBB_INLINE void finish_body(Kind kind, float* values, const float* bias, Act act, std::int64_t rows,
                            std::int64_t columns, void* out, void* before) {
  if (bias != nullptr) {
    if (columns == 1) {
      const float b = bias[0];
      for (std::int64_t i = 0; i < rows; ++i) values[i] += b;
    } else {
      for (std::int64_t r = 0; r < rows; ++r) {
        float* row = values + r * columns;
        for (std::int64_t c = 0; c < columns; ++c) row[c] += bias[c];
      }
    }
  }
  const std::int64_t n = rows * columns;
  if (before != nullptr) store<Convert>(kind, values, before, n);
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    finish_block(values + i, act, count);
    store<Convert>(kind, values + i, at(out, kind, i), count);
  }
}

EBB_INLINE void activation_gradient_body(Act act, const float* saved, float* gradient, std::int64_t n) {
  if (act == Act::relu) {
    for (std::int64_t i = 0; i < n; ++i) gradient[i] = saved[i] > 0.0F ? gradient[i] : 0.0F;
  } else if (act == Act::silu) {
    for (std::int64_t i = 0; i < n; ++i) {
      const float s = sigmoid(saved[i]);
      gradient[i] *= s * (1.0F + saved[i] * (1.0F - s));
    }
  }
}

EBB_INLINE void add_body(const float* in, float* sum, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += in[i];
}

EBB_INLINE void add_rows_body(const float* values, std::int64_t rows, std::int64_t columns, float* sums) {
  if (columns == 1) {  // one long column: lanes, so that it vectorises
    float lanes[kLanes] = {};
    std::int64_t i = 0;
    for (; i + kLanes <= rows; i += kLanes)
      for (int l = 0; l < kLanes; ++l) lanes[l] += values[i + l];
    for (int l = 0; i < rows; ++i, ++l) lanes[l] += values[i];
    float total = 0;
    for (float lane : lanes) total += lane;
    sums[0] += total;
    return;
  }
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; ++c) sums[c] += values[r * columns + c];
}

EBB_INLINE void transpose_body(const float* in, std::int64_t rows, std::int64_t columns, float* out) {
  constexpr std::int64_t kTile = 16;
  for (std::int64_t r0 = 0; r0 < rows; r0 += kTile) {
    const std::int64_t r1 = std::min(r0 + kTile, rows);
    for (std::int64_t c = 0; c < columns; ++c)
      for (std::int64_t r = r0; r < r1; ++r) out[c * rows + r] = in[r * columns + c];
  }
}

// fp16: where the half is 2^-16 or more in size, the residual is the difference of the bit patterns, at most
// 2^15 in size; below, it counts 2^-40, and the one value that does not fit (+2^15, a tie that rounded down)
// is clamped.
EBB_INLINE void half_low(const float* master, const float* high, std::int16_t* low, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const std::int32_t by_bits = static_cast<std::int32_t>(bits_of(master[i]) - bits_of(high[i]));
    const float scaled = (master[i] - high[i]) * 0x1p40F;
    const float size = std::fabs(high[i]);
    const float kept = size < 0x1p-16F ? scaled : 0.0F;  // no conversion of what does not fit an int
    const std::int32_t by_value = static_cast<std::int32_t>(std::nearbyint(kept));
    std::int32_t residual = size < 0x1p-16F ? by_value : by_bits;
    residual = size <= 65504.0F ? residual : 0;  // infinity and NaN stay what they are
    residual = residual > 32767 ? 32767 : (residual < -32768 ? -32768 : residual);
    low[i] = static_cast<std::int16_t>(residual);
  }
}

EBB_INLINE void half_join(const float* high, const std::int16_t* low, float* master, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    const float by_bits =
        float_of(bits_of(high[i]) + static_cast<std::uint32_t>(static_cast<std::int32_t>(low[i])));
    const float by_value = high[i] + static_cast<float>(low[i]) * 0x1p-40F;
    master[i] = std::fabs(high[i]) < 0x1p-16F ? by_value : by_bits;
  }
}

template <class Convert>
EBB_INLINE void split_block(Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n) {
  if (kind == Kind::f32) {
    std::memcpy(weight, master, static_cast<std::size_t>(n) * sizeof(float));
  } else if (kind == Kind::bf16) {
    auto* high = static_cast<std::uint16_t*>(weight);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t bits = bits_of(master[i]);
      high[i] = static_cast<std::uint16_t>((bits + 0x8000U) >> 16);
      low[i] = static_cast<std::int16_t>(bits & 0xffffU);
    }
  } else {
    alignas(64) float high[kBlock];
    Convert::to_half(master, static_cast<std::uint16_t*>(weight), n);
    Convert::from_half(static_cast<const std::uint16_t*>(weight), high, n);
    half_low(master, high, low, n);
  }
}

template <class Convert>
EBB_INLINE void join_block(Kind kind, const void* weight, const std::int16_t* low, float* master,
                           std::int64_t n) {
  if (kind == Kind::f32) {
    std::memcpy(master, weight, static_cast<std::size_t>(n) * sizeof(float));
  } else if (kind == Kind::bf16) {
    const auto* high = static_cast<const std::uint16_t*>(weight);
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t bits = (static_cast<std::uint32_t>(high[i]) << 16) +
                                 static_cast<std::uint32_t>(static_cast<std::int32_t>(low[i]));
      master[i] = float_of(bits);
    }
  } else {
    alignas(64) float high[kBlock];
    Convert::from_half(static_cast<const std::uint16_t*>(weight), high, n);
    half_join(high, low, master, n);
  }
}

template <class Convert>
EBB_INLINE void split_body(Kind kind, const float* master, void* weight, std::int16_t* low, std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kBlock)
    split_block<Convert>(kind, master + i, at(weight, kind, i), low == nullptr ? nullptr : low + i,
                         std::min(kBlock, n - i));
}

template <class Convert>
EBB_INLINE void join_body(Kind kind, const void* weight, const std::int16_t* low, float* master,
                          std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kBlock)
    join_block<Convert>(kind, at(weight, kind, i), low == nullptr ? nullptr : low + i, master + i,
                        std::min(kBlock, n - i));
}

template <class Convert>
EBB_INLINE void adamw_body(Kind weight_kind, void* weight, std::int16_t* low, Kind gradient_kind,
                           const void* gradient, float* m, float* v, const AdamWFactors& how,
                           std::int64_t n) {
  alignas(64) float w[kBlock];
  alignas(64) float g[kBlock];
  const AdamWFactors f = how;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    join_block<Convert>(weight_kind, at(weight, weight_kind, i), low == nullptr ? nullptr : low + i, w,
                        count);
    load<Convert>(gradient_kind, at(gradient, gradient_kind, i), g, count);
    float* mi = m + i;
    float* vi = v + i;
    for (std::int64_t j = 0; j < count; ++j) {
      const float grad = g[j] * f.gradient_scale;
      const float first = mi[j] + (grad - mi[j]) * f.beta1_rest;
      const float second = vi[j] * f.beta2 + (grad * grad) * f.beta2_rest;
      const float denominator = std::sqrt(second) * f.root_scale + f.eps;
      mi[j] = first;
      vi[j] = second;
      w[j] = w[j] * f.keep - f.step_size * (first / denominator);
    }
    split_block<Convert>(weight_kind, w, at(weight, weight_kind, i), low == nullptr ? nullptr : low + i,
                         count);
  }
}

template <class Convert>
EBB_INLINE void stats_body(Kind kind, const void* gradient, std::int64_t n, double* square_sum,
                           std::int64_t* non_finite) {
  alignas(64) float g[kBlock];
  double sums[kLanes] = {};
  std::int64_t bad = 0;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(kind, at(gradient, kind, i), g, count);
    for (std::int64_t j = count; j < kBlock; ++j) g[j] = 0;
    std::int32_t here = 0;
    for (std::int64_t j = 0; j < kBlock; ++j) {
      const bool finite = (bits_of(g[j]) & 0x7f800000U) != 0x7f800000U;
      here += finite ? 0 : 1;
      g[j] = finite ? g[j] : 0.0F;
    }
    bad += here;
    for (std::int64_t j = 0; j < kBlock; j += kLanes)
      for (int l = 0; l < kLanes; ++l)
        sums[l] += static_cast<double>(g[j + l]) * static_cast<double>(g[j + l]);
  }
  double total = 0;
  for (double lane : sums) total += lane;
  *square_sum = total;
  *non_finite = bad;
}

template <class Convert>
EBB_INLINE double bernoulli_body(Kind kind, const void* logits, const std::uint8_t* targets, std::int64_t n) {
  alignas(64) float x[kBlock];
  double total = 0;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(kind, at(logits, kind, i), x, count);
    for (std::int64_t j = 0; j < count; ++j) {
      const float t = static_cast<float>(targets[i + j]) / 255.0F;
      const float magnitude = std::fabs(x[j]);
      const float positive = x[j] < 0.0F ? 0.0F : x[j];
      x[j] = (positive + log_one_plus(exponential(-magnitude))) - t * x[j];
    }
    for (std::int64_t j = count; j < kBlock; ++j) x[j] = 0;
    float lanes[kLanes] = {};
    for (std::int64_t j = 0; j < kBlock; j += kLanes)
      for (int l = 0; l < kLanes; ++l) lanes[l] += x[j + l];
    for (float lane : lanes) total += static_cast<double>(lane);
  }
  return total;
}

template <class Convert>
EBB_INLINE void bernoulli_gradient_body(Kind kind, const void* logits, const std::uint8_t* targets,
                                        float scale, void* gradient, std::int64_t n) {
  alignas(64) float x[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(kind, at(logits, kind, i), x, count);
    for (std::int64_t j = 0; j < count; ++j)
      x[j] = (sigmoid(x[j]) - static_cast<float>(targets[i + j]) / 255.0F) * scale;
    store<Convert>(kind, x, at(gradient, kind, i), count);
  }
}

template <class Convert>
EBB_INLINE double kl_body(Kind kind, const void* mu, const void* logvar, std::int64_t n) {
  alignas(64) float a[kBlock];
  alignas(64) float l[kBlock];
  double total = 0;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(kind, at(mu, kind, i), a, count);
    load<Convert>(kind, at(logvar, kind, i), l, count);
    for (std::int64_t j = 0; j < count; ++j)
      a[j] = 0.5F * (a[j] * a[j] + ((exponential(l[j]) - 1.0F) - l[j]));
    for (std::int64_t j = 0; j < count; ++j) total += static_cast<double>(a[j]);
  }
  return total;
}

template <class Convert>
EBB_INLINE void kl_gradient_body(Kind kind, const void* mu, const void* logvar, float scale, void* d_mu,
                                 void* d_logvar, std::int64_t n) {
  alignas(64) float a[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(kind, at(mu, kind, i), a, count);
    for (std::int64_t j = 0; j < count; ++j) a[j] *= scale;
    store<Convert>(kind, a, at(d_mu, kind, i), count);
    load<Convert>(kind, at(logvar, kind, i), a, count);
    for (std::int64_t j = 0; j < count; ++j) a[j] = 0.5F * (exponential(a[j]) - 1.0F) * scale;
    store<Convert>(kind, a, at(d_logvar, kind, i), count);
  }
}

template <class Convert>
EBB_INLINE void unit_range_body(Kind kind, const std::uint8_t* in, void* out, std::int64_t n) {
  alignas(64) float x[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    for (std::int64_t j = 0; j < count; ++j) x[j] = static_cast<float>(in[i + j]) / 255.0F;
    store<Convert>(kind, x, at(out, kind, i), count);
  }
}

}  // namespace ebb::numerics::cpu

// The set's functions and its table, in a namespace of their own; `TARGET` is the attribute that they are
// compiled under.
#define EBB_KERNEL_SET(TARGET, NAME)                                                                     \
  TARGET void to_float(Kind k, const void* in, float* out, std::int64_t n) {                             \
    load<Convert>(k, in, out, n);                                                                        \
  }                                                                                                      \
  TARGET void from_float(Kind k, const float* in, void* out, std::int64_t n) {                           \
    store<Convert>(k, in, out, n);                                                                       \
  }                                                                                                      \
  TARGET void finish(Kind k, float* x, const float* b, Act act, std::int64_t rows, std::int64_t columns, \
                     void* out, void* z) {                                                               \
    finish_body<Convert>(k, x, b, act, rows, columns, out, z);                                           \
  }                                                                                                      \
  TARGET void activation_gradient(Act act, const float* s, float* g, std::int64_t n) {                   \
    activation_gradient_body(act, s, g, n);                                                              \
  }                                                                                                      \
  TARGET void add(const float* in, float* sum, std::int64_t n) {                                         \
    add_body(in, sum, n);                                                                                \
  }                                                                                                      \
  TARGET void add_rows(const float* x, std::int64_t r, std::int64_t c, float* s) {                       \
    add_rows_body(x, r, c, s);                                                                           \
  }                                                                                                      \
  TARGET void transpose(const float* in, std::int64_t r, std::int64_t c, float* out) {                   \
    transpose_body(in, r, c, out);                                                                       \
  }                                                                                                      \
  TARGET void adamw(Kind wk, void* w, std::int16_t* low, Kind gk, const void* g, float* m, float* v,     \
                    const AdamWFactors& how, std::int64_t n) {                                           \
    adamw_body<Convert>(wk, w, low, gk, g, m, v, how, n);                                                \
  }                                                                                                      \
  TARGET void split(Kind k, const float* x, void* w, std::int16_t* low, std::int64_t n) {                \
    split_body<Convert>(k, x, w, low, n);                                                                \
  }                                                                                                      \
  TARGET void join(Kind k, const void* w, const std::int16_t* low, float* x, std::int64_t n) {           \
    join_body<Convert>(k, w, low, x, n);                                                                 \
  }                                                                                                      \
  TARGET void stats(Kind k, const void* g, std::int64_t n, double* s, std::int64_t* bad) {               \
    stats_body<Convert>(k, g, n, s, bad);                                                                \
  }                                                                                                      \
  TARGET double bernoulli(Kind k, const void* x, const std::uint8_t* t, std::int64_t n) {                \
    return bernoulli_body<Convert>(k, x, t, n);                                                          \
  }                                                                                                      \
  TARGET void bernoulli_gradient(Kind k, const void* x, const std::uint8_t* t, float scale, void* g,     \
                                 std::int64_t n) {                                                       \
    bernoulli_gradient_body<Convert>(k, x, t, scale, g, n);                                              \
  }                                                                                                      \
  TARGET double kl(Kind k, const void* mu, const void* l, std::int64_t n) {                              \
    return kl_body<Convert>(k, mu, l, n);                                                                \
  }                                                                                                      \
  TARGET void kl_gradient(Kind k, const void* mu, const void* l, float s, void* dm, void* dl,            \
                          std::int64_t n) {                                                              \
    kl_gradient_body<Convert>(k, mu, l, s, dm, dl, n);                                                   \
  }                                                                                                      \
  TARGET void unit_range(Kind k, const std::uint8_t* in, void* out, std::int64_t n) {                    \
    unit_range_body<Convert>(k, in, out, n);                                                             \
  }                                                                                                      \
  constexpr Kernels kTable{                                                                              \
      NAME,  to_float, from_float, finish,    activation_gradient, add, add_rows,    transpose, adamw,   \
      split, join,     stats,      bernoulli, bernoulli_gradient,  kl,  kl_gradient, unit_range};
