// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <array>
#include <cstdint>

#include "numerics/convolution.h"
#include "numerics/cpu/kernels.h"
#include "numerics/workspace_bytes.h"

namespace ebb::numerics::cpu {

// A convolution reads a big image and writes a small one; a transposed convolution does the reverse. Both
// take a weight [small channels, big channels / groups, kh, kw] and loop over these sizes.
struct Geometry {
  std::int64_t batch;
  std::int64_t big_c, big_h, big_w;
  std::int64_t small_c, small_h, small_w;
  std::int64_t kh, kw, stride, padding;
  std::int64_t groups;  // parts of the channels of both images that are convolved separately
  bool transposed;

  [[nodiscard]] Geometry of_one_group() const {
    Geometry g = *this;
    g.big_c /= groups, g.small_c /= groups, g.groups = 1;
    return g;
  }
};

struct ConvOutput {
  at::Tensor y;
  at::Tensor pre_activation;
};

// The sizes of conv(x, w) or conv_transpose(x, w). Error(internal) if they do not fit.
Geometry geometry(const at::Tensor& x, const at::Tensor& w, const ConvOptions& options, bool transposed);

// x and dy [B, C, H, W], contiguous or channels-last; results are channels-last. b may be undefined. On meta
// only the allocations are made.
ConvOutput conv_forward(const Geometry& g, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                        Activation act, bool keep_pre_activation,
                        std::int64_t workspace_bytes = kWorkspaceBytes);
std::array<at::Tensor, 3> conv_backward(const Geometry& g, const at::Tensor& dy, const at::Tensor& x,
                                        const at::Tensor& w, const at::Tensor& saved, Activation act,
                                        std::array<bool, 3> wanted,
                                        std::int64_t workspace_bytes = kWorkspaceBytes);

}  // namespace ebb::numerics::cpu
