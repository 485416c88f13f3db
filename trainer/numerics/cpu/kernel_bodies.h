// SPDX-License-Identifier: Apache-2.0
#pragma once
// The loops of kernels.h over whole ranges; see kernel_blocks.h.
#include "numerics/cpu/kernel_blocks.h"
#include "numerics/cpu/kernel_master.h"

namespace ebb::numerics::cpu {

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

// 2 sqrt(2 / pi) (x + 0.044715 x^3): GELU by tanh is x sigmoid of it.
EBB_INLINE float gelu_argument(float x) {
  return 1.59576912F * (x + 0.044715F * (x * x * x));
}

EBB_INLINE void finish_block(float* values, Activation act, std::int64_t n) {
  if (act == Activation::relu) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = values[i] < 0.0F ? 0.0F : values[i];  // keeps NaN
  } else if (act == Activation::leaky_relu) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = values[i] > 0.0F ? values[i] : values[i] * kLeakySlope;
  } else if (act == Activation::silu) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = values[i] * sigmoid(values[i]);
  } else if (act == Activation::gelu) {
    for (std::int64_t i = 0; i < n; ++i) values[i] = values[i] * sigmoid(gelu_argument(values[i]));
  }
}

template <class Convert>
EBB_INLINE void finish_body(Dtype dtype, float* values, const float* bias, Activation act, std::int64_t rows,
                            std::int64_t columns, void* out, void* pre_activation) {
  if (columns == 1 && bias != nullptr) {
    for (std::int64_t i = 0; i < rows; ++i) values[i] += bias[0];
    bias = nullptr;
  }
  // Without a bias all rows are one long row. One block at a time, so that it stays in the cache.
  if (bias == nullptr) columns *= rows, rows = 1;
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t c = 0; c < columns; c += kBlock) {
      const std::int64_t i = r * columns + c, count = std::min(kBlock, columns - c);
      float* const block = values + i;
      if (bias != nullptr)
        for (std::int64_t j = 0; j < count; ++j) block[j] += bias[c + j];
      if (pre_activation != nullptr) store<Convert>(dtype, block, at(pre_activation, dtype, i), count);
      finish_block(block, act, count);
      if (at(out, dtype, i) != block) store<Convert>(dtype, block, at(out, dtype, i), count);
    }
}

EBB_INLINE void activation_gradient_body(Activation act, const float* saved, float* gradient,
                                         std::int64_t n) {
  if (act == Activation::relu) {
    for (std::int64_t i = 0; i < n; ++i) gradient[i] = saved[i] > 0.0F ? gradient[i] : 0.0F;
  } else if (act == Activation::leaky_relu) {
    for (std::int64_t i = 0; i < n; ++i)
      gradient[i] = saved[i] > 0.0F ? gradient[i] : gradient[i] * kLeakySlope;
  } else if (act == Activation::silu) {
    for (std::int64_t i = 0; i < n; ++i) {
      const float s = sigmoid(saved[i]);
      gradient[i] *= s * (1.0F + saved[i] * (1.0F - s));
    }
  } else if (act == Activation::gelu) {
    for (std::int64_t i = 0; i < n; ++i) {
      const float x = saved[i];
      const float s = sigmoid(gelu_argument(x));
      gradient[i] *= s * (1.0F + x * (1.0F - s) * (1.59576912F * (1.0F + 0.134145F * (x * x))));
    }
  }
}

EBB_INLINE void add_body(const float* in, float* sum, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) sum[i] += in[i];
}

EBB_INLINE void add_rows_body(const float* values, std::int64_t rows, std::int64_t columns, float* sums) {
  if (columns == 1) {  // one long column: in lanes, which vectorise
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

template <class Convert>
EBB_INLINE void split_body(Dtype dtype, const float* master, void* weight, std::int16_t* residual,
                           std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kBlock)
    split_block<Convert>(dtype, master + i, at(weight, dtype, i),
                         residual == nullptr ? nullptr : residual + i, std::min(kBlock, n - i));
}

template <class Convert>
EBB_INLINE void join_body(Dtype dtype, const void* weight, const std::int16_t* residual, float* master,
                          std::int64_t n) {
  for (std::int64_t i = 0; i < n; i += kBlock)
    join_block<Convert>(dtype, at(weight, dtype, i), residual == nullptr ? nullptr : residual + i, master + i,
                        std::min(kBlock, n - i));
}

template <class Convert>
EBB_INLINE void adamw_body(Dtype weight_dtype, void* weight, std::int16_t* residual, Dtype gradient_dtype,
                           const void* gradient, float* m, float* v, const AdamWFactors& factors,
                           std::int64_t n) {
  alignas(64) float w[kBlock];
  alignas(64) float g[kBlock];
  const AdamWFactors f = factors;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    join_block<Convert>(weight_dtype, at(weight, weight_dtype, i),
                        residual == nullptr ? nullptr : residual + i, w, count);
    load<Convert>(gradient_dtype, at(gradient, gradient_dtype, i), g, count);
    float* mi = m + i;
    float* vi = v + i;
    for (std::int64_t j = 0; j < count; ++j) {
      const float grad = g[j] * f.gradient_scale;
      const float first = mi[j] + (grad - mi[j]) * f.one_minus_beta1;
      const float second = vi[j] * f.beta2 + (grad * grad) * f.one_minus_beta2;
      const float denominator = std::sqrt(second) * f.second_moment_scale + f.eps;
      mi[j] = first;
      vi[j] = second;
      w[j] = w[j] * f.decay_factor - f.step_size * (first / denominator);
    }
    split_block<Convert>(weight_dtype, w, at(weight, weight_dtype, i),
                         residual == nullptr ? nullptr : residual + i, count);
  }
}

template <class Convert>
EBB_INLINE void stats_body(Dtype dtype, const void* gradient, std::int64_t n, double* square_sum,
                           std::int64_t* non_finite) {
  alignas(64) float g[kBlock];
  double sums[kLanes] = {};
  std::int64_t bad = 0;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(dtype, at(gradient, dtype, i), g, count);
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
EBB_INLINE double bernoulli_body(Dtype dtype, const void* logits, const std::uint8_t* targets,
                                 std::int64_t n) {
  alignas(64) float x[kBlock];
  double total = 0;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(dtype, at(logits, dtype, i), x, count);
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
EBB_INLINE void bernoulli_gradient_body(Dtype dtype, const void* logits, const std::uint8_t* targets,
                                        float scale, void* gradient, std::int64_t n) {
  alignas(64) float x[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(dtype, at(logits, dtype, i), x, count);
    for (std::int64_t j = 0; j < count; ++j)
      x[j] = (sigmoid(x[j]) - static_cast<float>(targets[i + j]) / 255.0F) * scale;
    store<Convert>(dtype, x, at(gradient, dtype, i), count);
  }
}

template <class Convert>
EBB_INLINE double kl_body(Dtype dtype, const void* mu, const void* logvar, std::int64_t n) {
  alignas(64) float a[kBlock];
  alignas(64) float l[kBlock];
  double total = 0;
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(dtype, at(mu, dtype, i), a, count);
    load<Convert>(dtype, at(logvar, dtype, i), l, count);
    for (std::int64_t j = 0; j < count; ++j)
      a[j] = 0.5F * (a[j] * a[j] + ((exponential(l[j]) - 1.0F) - l[j]));
    for (std::int64_t j = 0; j < count; ++j) total += static_cast<double>(a[j]);
  }
  return total;
}

template <class Convert>
EBB_INLINE void kl_gradient_body(Dtype dtype, const void* mu, const void* logvar, float scale, void* d_mu,
                                 void* d_logvar, std::int64_t n) {
  alignas(64) float a[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    load<Convert>(dtype, at(mu, dtype, i), a, count);
    for (std::int64_t j = 0; j < count; ++j) a[j] *= scale;
    store<Convert>(dtype, a, at(d_mu, dtype, i), count);
    load<Convert>(dtype, at(logvar, dtype, i), a, count);
    for (std::int64_t j = 0; j < count; ++j) a[j] = 0.5F * (exponential(a[j]) - 1.0F) * scale;
    store<Convert>(dtype, a, at(d_logvar, dtype, i), count);
  }
}

template <class Convert>
EBB_INLINE void unit_range_body(Dtype dtype, const std::uint8_t* in, void* out, std::int64_t n) {
  alignas(64) float x[kBlock];
  for (std::int64_t i = 0; i < n; i += kBlock) {
    const std::int64_t count = std::min(kBlock, n - i);
    for (std::int64_t j = 0; j < count; ++j) x[j] = static_cast<float>(in[i + j]) / 255.0F;
    store<Convert>(dtype, x, at(out, dtype, i), count);
  }
}

}  // namespace ebb::numerics::cpu
