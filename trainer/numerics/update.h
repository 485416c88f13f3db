#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <vector>

namespace ebb::numerics {

// Splits an fp32 master into the 16-bit weight that the model uses (its high half) and an int16 residual (its
// low half), and joins them. fp16: bit-exact for 2^-16 <= |w| <= 65504, below that the error is at
// most 9.1e-13. bf16: every finite fp32 round-trips (rounded half up with a signed low half). fp32 weights
// need no residual: `residual` is then undefined.
void split_master(const at::Tensor& master /*fp32 [n]*/, const at::Tensor& weight /*16-bit [n]*/,
                  const at::Tensor& residual /*int16 [n]*/);
at::Tensor join_master(const at::Tensor& weight, const at::Tensor& residual);  // fp32 [n]

struct AdamW {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  std::int64_t step = 1;        // counts from 1: bias correction
  double gradient_scale = 1.0;  // multiplies the gradient first: 1 / loss scale, and the clip factor
};

// One pass over a flat range: unscale, AdamW (Loshchilov and Hutter, 2019: decoupled decay), split. weight
// 16-bit or fp32 [n], residual int16 [n] or undefined, grad fp32/fp16/bf16 [n], m and v fp32 [n]. CPU
// (vectorised, threaded) and CUDA. Bit-identical for any number of threads.
void adamw_update(const at::Tensor& weight, const at::Tensor& residual, const at::Tensor& grad,
                  const at::Tensor& m, const at::Tensor& v, const AdamW& how);
// The same of many ranges, whose weights are of one dtype and on one device; on a GPU in few launches. Each
// has a `weight_decay` of its own in place of `how`'s.
struct AdamWRange {
  at::Tensor weight, residual, grad, m, v;
  double weight_decay = 0;
};
void adamw_update(const std::vector<AdamWRange>& ranges, const AdamW& how);

// One pass over gradients [n] each, of any float dtype, all of one and on one device: fp64 [gradients, 2]
// there, of each the sum of squares of its finite elements, summed in a fixed order whatever the number of
// threads, and the number of the others. A GPU is not waited for.
at::Tensor gradient_stats(const std::vector<at::Tensor>& grads);

}  // namespace ebb::numerics
