// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

// See ops.h for the contract that all operators share.
namespace ebb::numerics {

enum class Transpose : bool { no, yes };

// op(a) op(b), where op transposes if requested. a [m, k] or [k, m], b [k, n] or [n, k] -> [m, n]. It has
// derivatives of any order, each of which is again such a product.
at::Tensor matmul(const at::Tensor& a, Transpose of_a, const at::Tensor& b, Transpose of_b);

}  // namespace ebb::numerics
