// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace ebb::evaluate {

// Resizes images [N, C, H, W] uint8 on the CPU to [N, C, height, width] uint8, by the antialiased bicubic
// filter of Pillow (base/resample.h), rows first. Metrics of images depend on the filter (Parmar et al., "On
// aliased resizing and surprising subtleties in GAN evaluation", CVPR 2022). Error(internal) for other
// tensors or an empty size.
at::Tensor resize_bicubic(const at::Tensor& images, std::int64_t height, std::int64_t width);

}  // namespace ebb::evaluate
