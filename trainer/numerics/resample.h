// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

// See ops.h for the contract that all operators share. Both ops are linear and have derivatives of any order.
namespace ebb::numerics {

// Doubles height and width by bilinear interpolation: each axis is filtered by [1, 3, 3, 1] / 4, and pixels
// beyond the edge are 0 (as in Karras et al., "Alias-free generative adversarial networks", 2021, and
// R3GAN). x [B, C, H, W] -> [B, C, 2H, 2W], channels-last.
at::Tensor upsample2(const at::Tensor& x);

// Halves height and width, which must be even, after the filter [1, 3, 3, 1] / 8 of each axis. It is a
// quarter of the adjoint of upsample2. x [B, C, H, W] -> [B, C, H / 2, W / 2], channels-last.
at::Tensor downsample2(const at::Tensor& x);

}  // namespace ebb::numerics
