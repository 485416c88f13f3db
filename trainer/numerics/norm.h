// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

// See ops.h for the contract that all operators share. A norm is over the last dimension: x [..., C], w and
// b [C].
namespace ebb::numerics {

// The longest row that a GPU supports; a longer one throws Error(usage).
inline constexpr std::int64_t kMaxNormColumnsOnGpu = 8192;

// y = (x - mean) / sqrt(variance + eps) * w + b.
at::Tensor layer_norm(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, double eps);
// y = x / sqrt(mean of x^2 + eps) * w (Zhang and Sennrich, "Root mean square layer normalization", 2019).
at::Tensor rms_norm(const at::Tensor& x, const at::Tensor& w, double eps);

// The sum of a residual stream and a block's output, and the norm of that sum, in one pass over memory. x and
// added [..., C]. The same bits as a sum and a norm one after the other.
struct AddNorm {
  at::Tensor sum, norm;
};
AddNorm add_layer_norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& w, const at::Tensor& b,
                       double eps);
AddNorm add_rms_norm(const at::Tensor& x, const at::Tensor& added, const at::Tensor& w, double eps);

// The same for a residual stream in two parts, whose value is sum + low. `low` is what the rounding of `sum`
// lost, rounded to the same dtype: bf16 then keeps 16 significant bits. Where x and `added` nearly cancel, 8
// bits leave an error that the norm enlarges as much as the row. x_low like x, or undefined: zeros. The
// gradient of the value is that of `sum`: no gradient goes through x_low and low.
struct SplitAddNorm {
  at::Tensor sum, low, norm;
};
SplitAddNorm split_add_layer_norm(const at::Tensor& x, const at::Tensor& x_low, const at::Tensor& added,
                                  const at::Tensor& w, const at::Tensor& b, double eps);
SplitAddNorm split_add_rms_norm(const at::Tensor& x, const at::Tensor& x_low, const at::Tensor& added,
                                const at::Tensor& w, double eps);

}  // namespace ebb::numerics
