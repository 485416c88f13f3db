// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace ebb::numerics::cpu {

// The largest head width of the kernels.
inline constexpr std::int64_t kMaxHeadWidth = 256;

struct AttentionShape {
  std::int64_t batch, length;         // B, T
  std::int64_t queries, keys, width;  // heads of Q, heads of K and of V, D
  [[nodiscard]] std::int64_t row() const { return (queries + 2 * keys) * width; }  // of qkv
};

// Contiguous tensors on the CPU or on meta: qkv [B, T, row], rope [2, T, D / 2] fp32 or undefined, out [B, T,
// queries D], lse [B, queries, T] fp32: the logarithm of each row's sum of exponentials.
struct AttentionOutput {
  at::Tensor out, lse;
};
// starts [B, T] int64 or undefined: the first position that each attends to.
AttentionOutput attention_forward(const AttentionShape& shape, const at::Tensor& qkv, const at::Tensor& rope,
                                  const at::Tensor& starts);
at::Tensor attention_backward(const AttentionShape& shape, const at::Tensor& dy, const at::Tensor& qkv,
                              const at::Tensor& rope, const at::Tensor& starts,
                              const AttentionOutput& forward);

}  // namespace ebb::numerics::cpu
