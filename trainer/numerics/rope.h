// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/attention_shape.h"

// Rotary position embeddings (Su et al., "RoFormer", 2021).
namespace ebb::numerics {

// The table for attention() and rotate(), [2, positions, D / 2] fp32 on the CPU: cosines, then sines. The
// angle of pair i at position t is t theta^(-2i / D), for the positions from `first` on.
at::Tensor rope_table(std::int64_t positions, std::int64_t head_width, double theta,
                      const RopeScaling& scaling = {}, std::int64_t first = 0);

// x [..., T, H, D] rotated as attention() rotates Q and K: pair i is elements i and i + D / 2. Computed in
// fp32 and rounded once. Made of LibTorch's operators, which give its derivatives.
at::Tensor rotate(const at::Tensor& x, const at::Tensor& rope);

}  // namespace ebb::numerics
