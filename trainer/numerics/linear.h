// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/activation.h"
#include "numerics/workspace_bytes.h"

// See ops.h for the contract that all operators share. `workspace_bytes`: the limit of blocks on the CPU,
// which tests lower to force many blocks. This op has derivatives of any order for the activations none,
// relu and leaky_relu, and only first derivatives for the others.
namespace ebb::numerics {

// y = act(x W^T + b). x [..., in], w [out, in], b [out] or undefined: no bias.
at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                  Activation act = Activation::none, std::int64_t workspace_bytes = kWorkspaceBytes);

}  // namespace ebb::numerics
