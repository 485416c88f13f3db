// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>

#include "base/philox.h"

// Random changes of the discriminator's inputs (Karras et al., "Training generative adversarial networks with
// limited data", 2020): mirroring, shifts by whole pixels, and colour. Real and generated images get them
// with the same probability. If it is below 1, the generator still learns the distribution of unchanged data.
namespace ebb::models {

// The phase whose discriminator sees the images. Both phases may see one batch, with draws of their own.
enum class AugmentedPhase : std::uint8_t { discriminator, generator };

// Columns of the draws of a sample. The first of each operation decides whether it is applied to the sample.
enum AugmentDraw : std::int64_t {
  kMirrorChoice,
  kMirror,
  kShiftChoice,
  kShiftRows,
  kShiftColumns,
  kBrightnessChoice,
  kBrightness,
  kContrastChoice,
  kContrast,
  kSaturationChoice,
  kSaturation,
  kAugmentDraws = 12  // columns, of which the last is not used
};

// The random numbers of augment() for `samples` samples, of which the first has this position in the stream
// of samples: standard normals [samples, kAugmentDraws] fp32 on `device`. They depend on nothing else, such
// as ranks or micro-batches. `stream` is RandomStream::augmentation or augmentation_of_generated.
at::Tensor augmentation_draws(std::int64_t samples, std::uint64_t seed, RandomStream stream,
                              std::int64_t position, AugmentedPhase phase, at::Device device);

// Images [B, C, H, W] in [-1, 1] of a floating-point type, each changed by its row of `draws`. With this
// probability each, independently:
//   mirror      left and right are exchanged, with a chance of one half
//   shift       by up to H / 8 and W / 8 pixels, all equally likely; the image's reflection fills the gap
//   brightness  a number of standard deviation 0.2 is added
//   contrast    all values are multiplied by 2^n, where n has the standard deviation 0.5
//   saturation  (three channels only) a pixel's differences from its mean are multiplied by 2^n, deviation 1
// The result has the dtype of `images` and is channels-last, and values may leave [-1, 1]. For probability 0
// it is `images` itself. It is affine in the images, with derivatives of any order, and bit-identical in each
// call. It never waits for a device. On a meta device it has only a shape.
at::Tensor augment(const at::Tensor& images, const at::Tensor& draws, double probability);

}  // namespace ebb::models
