// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "numerics/activation.h"
#include "numerics/adamw_factors.h"
#include "numerics/dtype.h"

// The inner loops of the CPU's ops, over plain memory without tensors. There are three sets: for any machine,
// for AVX2 and for AVX-512. They do the same operations in the same order, so their results have the same
// bits. kernels() are those of instruction_set().
namespace ebb::numerics::cpu {

struct Kernels {
  const char* name;
  void (*to_float)(Dtype dtype, const void* in, float* out, std::int64_t n);
  void (*from_float)(Dtype dtype, const float* in, void* out, std::int64_t n);
  // out = act(values + bias), row by row. Overwrites `values`. bias [columns] or null. `pre_activation`, if
  // not null, receives values + bias.
  void (*finish)(Dtype dtype, float* values, const float* bias, Activation act, std::int64_t rows,
                 std::int64_t columns, void* out, void* pre_activation);
  // gradient *= act'(saved). `saved`: the output for relu and leaky_relu, the
  // pre-activation for silu and gelu.
  void (*activation_gradient)(Activation act, const float* saved, float* gradient, std::int64_t n);
  void (*add)(const float* in, float* sum, std::int64_t n);
  // sums[c] += values[r, c], rows in order.
  void (*add_rows)(const float* values, std::int64_t rows, std::int64_t columns, float* sums);
  // [rows, columns] -> [columns, rows]
  void (*transpose)(const float* in, std::int64_t rows, std::int64_t columns, float* out);

  // One pass of AdamW over the split master. residual is null for f32 weights.
  void (*adamw)(Dtype weight_dtype, void* weight, std::int16_t* residual, Dtype gradient_dtype,
                const void* gradient, float* m, float* v, const AdamWFactors& factors, std::int64_t n);
  void (*split)(Dtype dtype, const float* master, void* weight, std::int16_t* residual, std::int64_t n);
  void (*join)(Dtype dtype, const void* weight, const std::int16_t* residual, float* master, std::int64_t n);
  // Sum of squares of the finite elements, and the number of all other elements.
  void (*stats)(Dtype dtype, const void* gradient, std::int64_t n, double* square_sum,
                std::int64_t* non_finite);

  // Sum of softplus(x) - t x, t = target/255.
  double (*bernoulli)(Dtype dtype, const void* logits, const std::uint8_t* targets, std::int64_t n);
  // gradient = (sigmoid(x) - t) * scale
  void (*bernoulli_gradient)(Dtype dtype, const void* logits, const std::uint8_t* targets, float scale,
                             void* gradient, std::int64_t n);
  // Sum of (mu^2 + exp(l) - 1 - l) / 2.
  double (*kl)(Dtype dtype, const void* mu, const void* logvar, std::int64_t n);
  void (*kl_gradient)(Dtype dtype, const void* mu, const void* logvar, float scale, void* d_mu,
                      void* d_logvar, std::int64_t n);
  // out = in / 255
  void (*unit_range)(Dtype dtype, const std::uint8_t* in, void* out, std::int64_t n);

  // Row by row: y = (x + low - mean) * rstd * w + b. mean null: RMS norm, without a mean. low and b may be
  // null.
  void (*norm)(Dtype dtype, const void* x, const void* low, const float* w, const float* b, float eps,
               std::int64_t rows, std::int64_t columns, void* y, float* mean, float* rstd);
  // Writes dx and adds to dw and db [columns]. low and db may be null.
  void (*norm_gradient)(Dtype dtype, const void* dy, const void* x, const void* low, const float* w,
                        const float* mean, const float* rstd, std::int64_t rows, std::int64_t columns,
                        void* dx, float* dw, float* db);
  // out = a + b; out may be either.
  void (*sum)(Dtype dtype, const void* a, const void* b, void* out, std::int64_t n);
  // out = x + low + added, and out_low = what that rounding lost. low may be null.
  void (*split_sum)(Dtype dtype, const void* x, const void* low, const void* added, void* out, void* out_low,
                    std::int64_t n);
  float (*reduce_max)(const float* x, std::int64_t n);
  // x = exp(x scale - shift); returns the sum.
  float (*exponentials)(float* x, std::int64_t n, float scale, float shift);
  // p *= (dp - delta) scale
  void (*softmax_gradient)(const float* dp, float delta, float scale, float* p, std::int64_t n);
  void (*multiply)(float factor, float* x, std::int64_t n);
  float (*dot)(const float* a, const float* b, std::int64_t n);
  // Rotates pairs (x[i], x[i + n/2]) by the angles with these cosines and sines [n/2].
  void (*rotate)(const float* cosines, const float* sines, float* x, std::int64_t n);
  // out = silu(gate) * up
  void (*swiglu)(Dtype dtype, const void* gate, const void* up, void* out, std::int64_t n);
  void (*swiglu_gradient)(Dtype dtype, const void* dy, const void* gate, const void* up, void* d_gate,
                          void* d_up, std::int64_t n);
};

const Kernels& kernels();
const Kernels& scalar_kernels();
// Null if the processor lacks the instructions.
const Kernels* avx2_kernels();
const Kernels* avx512_kernels();

}  // namespace ebb::numerics::cpu
