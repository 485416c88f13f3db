// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops of sequence models; see kernel_blocks.h.
#include "numerics/cpu/kernel_bodies.h"

namespace ebb::numerics::cpu {

// Sums in kLanes partial sums, for any vector width.
template <class Term>
EBB_INLINE float sum_of(std::int64_t n, const Term& term) {
  float lanes[kLanes] = {};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] += term(i + l);
  for (int l = 0; i < n; ++i, ++l) lanes[l] += term(i);
  float total = 0;
  for (const float lane : lanes) total += lane;
  return total;
}

// A block of x + low; low may be null. `space` and `more` hold a block each.
template <class Convert>
EBB_INLINE const float* read_parts(Dtype dtype, const void* x, const void* low, std::int64_t first,
                                   float* space, float* more, std::int64_t n) {
  if (low == nullptr) return read<Convert>(dtype, at(x, dtype, first), space, n);
  load<Convert>(dtype, at(x, dtype, first), space, n);
  load<Convert>(dtype, at(low, dtype, first), more, n);
  for (std::int64_t i = 0; i < n; ++i) space[i] += more[i];
  return space;
}

// Reads a row of any length in blocks on the stack: first for its sums, then for its result.
template <class Convert>
EBB_INLINE void norm_body(Dtype dtype, const void* x, const void* low, const float* w, const float* b,
                          float eps, std::int64_t rows, std::int64_t columns, void* y, float* mean,
                          float* rstd) {
  alignas(64) float space[kBlock];
  alignas(64) float more[kBlock];
  const auto count_of = [&](std::int64_t c) { return std::min(kBlock, columns - c); };
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = r * columns;
    float centre = 0;
    if (mean != nullptr) {
      for (std::int64_t c = 0; c < columns; c += kBlock) {
        const float* const v = read_parts<Convert>(dtype, x, low, row + c, space, more, count_of(c));
        centre += sum_of(count_of(c), [&](std::int64_t i) { return v[i]; });
      }
      centre /= static_cast<float>(columns);
      mean[r] = centre;
    }
    float squares = 0;
    for (std::int64_t c = 0; c < columns; c += kBlock) {
      const float* const v = read_parts<Convert>(dtype, x, low, row + c, space, more, count_of(c));
      squares += sum_of(count_of(c), [&](std::int64_t i) { return (v[i] - centre) * (v[i] - centre); });
    }
    const float scale = 1.0F / std::sqrt(squares / static_cast<float>(columns) + eps);
    rstd[r] = scale;
    for (std::int64_t c = 0; c < columns; c += kBlock) {
      const std::int64_t n = count_of(c);
      const float* const v = read_parts<Convert>(dtype, x, low, row + c, space, more, n);
      float* const to = result_block(dtype, at(y, dtype, row + c), space);
      for (std::int64_t i = 0; i < n; ++i) to[i] = (v[i] - centre) * scale * w[c + i];
      if (b != nullptr)
        for (std::int64_t i = 0; i < n; ++i) to[i] += b[c + i];
      write<Convert>(dtype, to, at(y, dtype, row + c), n);
    }
  }
}

// With n = (x - mean) rstd and g = dy w: dx = rstd (g - [mean of g] - n [mean of g n]). Without a mean,
// [mean of g] is left out.
template <class Convert>
EBB_INLINE void norm_gradient_body(Dtype dtype, const void* dy, const void* x, const void* low,
                                   const float* w, const float* mean, const float* rstd, std::int64_t rows,
                                   std::int64_t columns, void* dx, float* dw, float* db) {
  alignas(64) float g[kBlock];
  alignas(64) float space[kBlock];
  alignas(64) float more[kBlock];
  alignas(64) float v[kBlock];
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t row = r * columns;
    const float centre = mean == nullptr ? 0.0F : mean[r], scale = rstd[r];
    const auto read = [&](std::int64_t c) __attribute__((always_inline)) {
      const std::int64_t n = std::min(kBlock, columns - c);
      load<Convert>(dtype, at(dy, dtype, row + c), g, n);
      const float* const value = read_parts<Convert>(dtype, x, low, row + c, space, more, n);
      for (std::int64_t i = 0; i < n; ++i) v[i] = (value[i] - centre) * scale;
      return n;
    };
    float sum_g = 0, sum_gn = 0;
    for (std::int64_t c = 0; c < columns; c += kBlock) {
      const std::int64_t n = read(c);
      for (std::int64_t i = 0; i < n; ++i) dw[c + i] += g[i] * v[i];
      if (db != nullptr)
        for (std::int64_t i = 0; i < n; ++i) db[c + i] += g[i];
      for (std::int64_t i = 0; i < n; ++i) g[i] *= w[c + i];
      sum_g += sum_of(n, [&](std::int64_t i) { return g[i]; });
      sum_gn += sum_of(n, [&](std::int64_t i) { return g[i] * v[i]; });
    }
    const float mean_g = mean == nullptr ? 0.0F : sum_g / static_cast<float>(columns);
    const float mean_gn = sum_gn / static_cast<float>(columns);
    for (std::int64_t c = 0; c < columns; c += kBlock) {
      const std::int64_t n = read(c);
      for (std::int64_t i = 0; i < n; ++i) g[i] = scale * ((g[i] * w[c + i] - mean_g) - v[i] * mean_gn);
      store<Convert>(dtype, g, at(dx, dtype, row + c), n);
    }
  }
}

// out = combine(a, b), elementwise.
template <class Convert, class Combine>
EBB_INLINE void combine_body(Dtype dtype, const void* a, const void* b, void* out, std::int64_t n,
                             const Combine& combine) {
  alignas(64) float left[kBlock];
  alignas(64) float right[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    const float* const x = read<Convert>(dtype, at(a, dtype, i), left, count);
    const float* const y = read<Convert>(dtype, at(b, dtype, i), right, count);
    float* const to = result_block(dtype, at(out, dtype, i), left);
    for (std::int64_t j = 0; j < count; ++j) to[j] = combine(x[j], y[j]);
    write<Convert>(dtype, to, at(out, dtype, i), count);
  }
}

template <class Convert>
EBB_INLINE void sum_body(Dtype dtype, const void* a, const void* b, void* out, std::int64_t n) {
  combine_body<Convert>(dtype, a, b, out, n,
                        [](float x, float y) __attribute__((always_inline)) { return x + y; });
}

template <class Convert>
EBB_INLINE void split_sum_body(Dtype dtype, const void* x, const void* low, const void* added, void* out,
                               void* out_low, std::int64_t n) {
  alignas(64) float sum[kBlock];
  alignas(64) float other[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(dtype, at(x, dtype, i), sum, count);
    if (low != nullptr) {
      load<Convert>(dtype, at(low, dtype, i), other, count);
      for (std::int64_t j = 0; j < count; ++j) sum[j] += other[j];
    }
    load<Convert>(dtype, at(added, dtype, i), other, count);
    for (std::int64_t j = 0; j < count; ++j) sum[j] += other[j];
    store<Convert>(dtype, sum, at(out, dtype, i), count);
    load<Convert>(dtype, at(out, dtype, i), other, count);
    for (std::int64_t j = 0; j < count; ++j) sum[j] -= other[j];
    store<Convert>(dtype, sum, at(out_low, dtype, i), count);
  }
}

template <class Convert>
EBB_INLINE void swiglu_body(Dtype dtype, const void* gate, const void* up, void* out, std::int64_t n) {
  combine_body<Convert>(dtype, gate, up, out, n,
                        [](float x, float y) __attribute__((always_inline)) { return x * sigmoid(x) * y; });
}

EBB_INLINE float reduce_max_body(const float* x, std::int64_t n) {
  float lanes[kLanes];
  for (float& lane : lanes) lane = -INFINITY;
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int l = 0; l < kLanes; ++l) lanes[l] = x[i + l] > lanes[l] ? x[i + l] : lanes[l];
  for (int l = 0; i < n; ++i, ++l) lanes[l] = x[i] > lanes[l] ? x[i] : lanes[l];
  float most = lanes[0];
  for (const float lane : lanes) most = lane > most ? lane : most;
  return most;
}

EBB_INLINE float exponentials_body(float* x, std::int64_t n, float scale, float shift) {
  for (std::int64_t i = 0; i < n; ++i) x[i] = exponential(x[i] * scale - shift);
  return sum_of(n, [&](std::int64_t i) { return x[i]; });
}

EBB_INLINE void softmax_gradient_body(const float* dp, float delta, float scale, float* p, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) p[i] *= (dp[i] - delta) * scale;
}

EBB_INLINE void multiply_body(float factor, float* x, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) x[i] *= factor;
}

EBB_INLINE float dot_body(const float* a, const float* b, std::int64_t n) {
  return sum_of(n, [&](std::int64_t i) { return a[i] * b[i]; });
}

EBB_INLINE void rotate_body(const float* cosines, const float* sines, float* x, std::int64_t n) {
  const std::int64_t half = n / 2;
  for (std::int64_t i = 0; i < half; ++i) {
    const float a = x[i], b = x[i + half];
    x[i] = a * cosines[i] - b * sines[i];
    x[i + half] = b * cosines[i] + a * sines[i];
  }
}

template <class Convert>
EBB_INLINE void swiglu_gradient_body(Dtype dtype, const void* dy, const void* gate, const void* up,
                                     void* d_gate, void* d_up, std::int64_t n) {
  alignas(64) float a[kBlock];
  alignas(64) float b[kBlock];
  alignas(64) float g[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(dtype, at(gate, dtype, i), a, count);
    load<Convert>(dtype, at(up, dtype, i), b, count);
    load<Convert>(dtype, at(dy, dtype, i), g, count);
    for (std::int64_t j = 0; j < count; ++j) {
      const float s = sigmoid(a[j]);
      const float silu = a[j] * s;
      b[j] = g[j] * b[j] * (s * (1.0F + a[j] * (1.0F - s)));
      a[j] = g[j] * silu;
    }
    store<Convert>(dtype, b, at(d_gate, dtype, i), count);
    store<Convert>(dtype, a, at(d_up, dtype, i), count);
  }
}

}  // namespace ebb::numerics::cpu
