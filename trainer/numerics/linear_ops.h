// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/activation.h"
#include "numerics/workspace_bytes.h"

// See ops.h for the contract that all operators share. `workspace_bytes`: the limit of blocks on the CPU,
// which tests lower to force many blocks.
namespace ebb::numerics {

// y = act(x W^T + b). x [..., in], w [out, in], b [out] or undefined: no bias.
at::Tensor linear(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                  Activation act = Activation::none, std::int64_t workspace_bytes = kWorkspaceBytes);

// y = act(conv(x, w) + b). x [B, C, H, W], w [K, C, kh, kw], b [K]. Stride and padding hold for both axes.
at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, std::int64_t stride,
                  std::int64_t padding, Activation act = Activation::none,
                  std::int64_t workspace_bytes = kWorkspaceBytes);

// y = act(conv_transpose(x, w) + b). x [B, C, H, W], w [C, K, kh, kw], b [K].
at::Tensor conv_transpose2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            std::int64_t stride, std::int64_t padding, Activation act = Activation::none,
                            std::int64_t workspace_bytes = kWorkspaceBytes);

}  // namespace ebb::numerics
