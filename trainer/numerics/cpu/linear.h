// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <array>

#include "numerics/cpu/kernels.h"
#include "numerics/workspace_bytes.h"

namespace ebb::numerics::cpu {

struct LinearOutput {
  at::Tensor y;
  at::Tensor pre_activation;  // the pre-activation, if requested
};

// Contiguous tensors of one dtype on the CPU, or on meta, where only the allocations are made. b may be
// undefined.
LinearOutput linear_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Activation act,
                            bool keep_pre_activation, std::int64_t workspace_bytes = kWorkspaceBytes);
// The requested gradients of x, w and b. `saved` is y for relu and leaky_relu, the pre-activation
// for silu and gelu, else undefined.
std::array<at::Tensor, 3> linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                                          const at::Tensor& saved, Activation act, std::array<bool, 3> wanted,
                                          std::int64_t workspace_bytes = kWorkspaceBytes);

}  // namespace ebb::numerics::cpu
