// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>

namespace ebb::evaluate {

// Resizes images [N, C, H, W] uint8 on the CPU to [N, C, height, width] uint8, by the antialiased bicubic
// filter of Pillow. The filter is Keys' kernel with a = -0.5 ("Cubic convolution interpolation", 1981). In a
// reduction its support grows by the factor of the reduction. Rows are resized first, then columns, with
// uint8 values between the two. (Pillow begins with columns since version 13 if the height is reduced more
// than the width.) Metrics of images depend on the filter (Parmar et al., "On aliased resizing and surprising
// subtleties in GAN evaluation", CVPR 2022). Error(internal) for other tensors or an empty size.
at::Tensor resize_bicubic(const at::Tensor& images, std::int64_t height, std::int64_t width);

}  // namespace ebb::evaluate
