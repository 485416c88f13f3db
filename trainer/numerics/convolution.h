// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/activation.h"
#include "numerics/workspace_bytes.h"

// See ops.h for the contract that all operators share. `workspace_bytes`: the limit of blocks on the CPU,
// which tests lower to force many blocks. These ops have derivatives of any order for the activations none,
// relu and leaky_relu, and only first derivatives for the others.
namespace ebb::numerics {

// Stride and padding hold for both axes. Each of `groups` equal parts of the input's channels makes the same
// part of the output's channels.
struct ConvOptions {
  std::int64_t stride = 1, padding = 0, groups = 1;
};

// y = act(conv(x, w) + b). x [B, C, H, W], w [K, C / groups, kh, kw], b [K] or undefined: no bias.
at::Tensor conv2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, const ConvOptions& options,
                  Activation act = Activation::none, std::int64_t workspace_bytes = kWorkspaceBytes);

// y = act(conv_transpose(x, w) + b). x [B, C, H, W], w [C, K / groups, kh, kw], b [K] or undefined.
at::Tensor conv_transpose2d(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                            const ConvOptions& options, Activation act = Activation::none,
                            std::int64_t workspace_bytes = kWorkspaceBytes);

}  // namespace ebb::numerics
