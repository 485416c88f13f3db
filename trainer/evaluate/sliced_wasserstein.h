// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <vector>

namespace ebb::evaluate {

// The sliced Wasserstein distance of two sets of images by the levels of their Laplacian pyramids (Karras et
// al., "Progressive growing of GANs", ICLR 2018, section 5), times 1000 as in that paper's tables.
struct SlicedWasserstein {
  std::vector<double> levels;  // of each level of the pyramid (pyramid.h), the full size first
  double mean = 0;             // of `levels`
};

// `a` and `b`: [N, C, H, W] uint8 on the CPU, of equal shapes, H and W at least 7. On the meta device it
// allocates the same and computes nothing.
//
// For each level, descriptors are patches of 7 x 7 pixels and all channels. The descriptors of each set are
// normalised to mean 0 and standard deviation 1 of each channel. The distance therefore ignores brightness
// and contrast that all images of a set share. A constant channel becomes 0. The distance is the mean, over
// 512 random directions and all descriptors, of |x - y|. x and y are the projections of both sets on one
// direction, each sorted.
//
// An image gives 128 descriptors, or fewer (patches_per_image) so that the descriptors of one set take at
// most 256 MiB. The memory is twice that, at most 170 MiB for projections, and 11 MiB a thread. Patches and
// directions are drawn from fixed seeds, the same for both sets. Equal sets in the same order therefore have
// distance 0. The value is symmetric. It depends on nothing else, except for the rounding of matrix products.
//
// Error(usage) for images below 7 x 7, and if one patch of every image would together take more than 256 MiB.
SlicedWasserstein sliced_wasserstein(const at::Tensor& a, const at::Tensor& b);

// Returns the number of descriptors of an image: at most 128; 0 if the set has too many images.
std::int64_t patches_per_image(std::int64_t images, std::int64_t channels);

}  // namespace ebb::evaluate
