#pragma once
#include <ATen/core/TensorBody.h>

#include <array>
#include <cstdint>

#include "numerics/cpu/kernels.h"

namespace ebb::numerics::cpu {

// A convolution reads a big image and writes a small one; a transposed convolution goes the other way with a
// weight of the same layout, [small channels, big channels, kh, kw]. Both are three loops over these sizes.
struct Geometry {
  std::int64_t batch;
  std::int64_t big_c, big_h, big_w;
  std::int64_t small_c, small_h, small_w;
  std::int64_t kh, kw, stride, padding;
  bool transposed;
};

struct ConvOutput {
  at::Tensor y;
  at::Tensor pre_activation;
};

// Sizes of conv(x, w), or of conv_transpose(x, w); Error(internal) where they do not fit.
Geometry geometry(const at::Tensor& x, const at::Tensor& w, std::int64_t stride, std::int64_t padding,
                  bool transposed);

// x and dy [B, C, H, W] contiguous or channels-last; results are channels-last. CPU, or meta (allocations
// only).
ConvOutput conv_forward(const Geometry& g, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                        Activation act, bool keep_pre_activation);
std::array<at::Tensor, 3> conv_backward(const Geometry& g, const at::Tensor& dy, const at::Tensor& x,
                                        const at::Tensor& w, const at::Tensor& saved, Activation act,
                                        std::array<bool, 3> wanted);

}  // namespace ebb::numerics::cpu
