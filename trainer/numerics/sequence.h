// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

// See ops.h for the contract that all operators share.
namespace ebb::numerics {

// Rows of `table` [V, C]: tokens [...] int32 or int64 -> [..., C]. The gradient of a row is summed in fp32 in
// the order of its tokens and rounded once. On the CPU a token outside the table throws Error(internal).
// It has derivatives of any order.
at::Tensor embed(const at::Tensor& tokens, const at::Tensor& table);

// silu(gate) * up, elementwise (Shazeer, "GLU variants improve transformer", 2020).
at::Tensor swiglu(const at::Tensor& gate, const at::Tensor& up);

}  // namespace ebb::numerics
