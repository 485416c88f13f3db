// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <vector>

// The optimizer's passes over memory, on the CPU and on CUDA. Ranges are flat: contiguous tensors [n]. The
// result has the same bits for any number of threads and on both devices. Shapes, dtypes and devices that do
// not fit throw Error(internal).
namespace ebb::numerics {

// These split an fp32 master into the model's 16-bit weight and an int16 residual, and join them. fp16: exact
// to the bit for 2^-16 <= |w| <= 65504; below, the error is at most 9.1e-13. bf16: exact for every finite
// fp32 (the weight is the nearest, ties away from zero; the residual is signed). An fp32 weight needs no
// residual: it is undefined then.
void split_master(const at::Tensor& master /*fp32 [n]*/, const at::Tensor& weight /*16-bit [n]*/,
                  const at::Tensor& residual /*int16 [n]*/);
at::Tensor join_master(const at::Tensor& weight, const at::Tensor& residual);  // fp32 [n]

struct AdamW {
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0.0;
  std::int64_t step = 1;        // counts from 1, for the bias correction
  double gradient_scale = 1.0;  // multiplies the gradient first: 1 / loss scale, and the clip factor
};

// One pass over a range: unscale, AdamW (Loshchilov and Hutter, 2019: decoupled decay), split. weight 16-bit
// or fp32, residual int16 or undefined, grad of any of the three dtypes, m and v fp32.
void adamw_update(const at::Tensor& weight, const at::Tensor& residual, const at::Tensor& grad,
                  const at::Tensor& m, const at::Tensor& v, const AdamW& settings);
// The same over many ranges, whose weights share a dtype and a device; few launches on a GPU. The range's
// `weight_decay` replaces that of `settings`.
struct AdamWRange {
  at::Tensor weight, residual, grad, m, v;
  double weight_decay = 0;
};
void adamw_update(const std::vector<AdamWRange>& ranges, const AdamW& settings);

// One pass over gradients [n] that share a float dtype and a device. Returns fp64 [gradients, 2] on that
// device: the sum of squares of the finite elements, and the number of all other elements. Sums are in a
// fixed order. Does not wait for a GPU.
at::Tensor gradient_stats(const std::vector<at::Tensor>& grads);

}  // namespace ebb::numerics
