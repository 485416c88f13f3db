// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

#include "numerics/cpu/convolution.h"
#include "numerics/cpu/kernels.h"

namespace ebb::numerics::cpu {

// A batch of images of any dtype, contiguous or channels-last, read as fp32 channels-last. With `saved`, the
// elements are multiplied by act'(saved).
struct Images {
  Images(const at::Tensor& tensor, const at::Tensor& saved, Activation act);
  // out [H*W, C] of image i; scratch holds twice as many floats.
  void load(std::int64_t i, float* out, float* scratch) const;

  Dtype dtype;
  const char* data;
  const char* saved = nullptr;
  bool channels_last, saved_channels_last = false;
  Activation act;
  std::int64_t channels, pixels;
};

// The windows of the big image as rows [small pixels, kh*kw*channels], channels innermost: each row is kh
// runs of kw*channels. padded [(big_h + 2p), (big_w + 2p), big_c].
void windows_of(const Geometry& g, const float* padded, float* rows);
// The reverse (col2im): adds rows onto a zeroed padded image.
void add_windows(const Geometry& g, const float* rows, float* padded);
void pad(const Geometry& g, const float* image, float* padded);  // does not write the border
void unpad(const Geometry& g, const float* padded, float* image);

inline std::int64_t small_pixels(const Geometry& g) {
  return g.small_h * g.small_w;
}
inline std::int64_t big_pixels(const Geometry& g) {
  return g.big_h * g.big_w;
}
inline std::int64_t row_length(const Geometry& g) {
  return g.kh * g.kw * g.big_c;
}
inline std::int64_t padded_size(const Geometry& g) {
  return (g.big_h + 2 * g.padding) * (g.big_w + 2 * g.padding) * g.big_c;
}

}  // namespace ebb::numerics::cpu
