// SPDX-License-Identifier: Apache-2.0
#include "models/gan/augment.h"

#include <numbers>
#include <vector>

#include "numerics/random.h"

namespace ebb::models {
namespace {

constexpr double kBrightnessDeviation = 0.2, kContrastDeviation = 0.5, kSaturationDeviation = 1;
constexpr std::int64_t kLargestShift = 8;  // the side divided by it

// Numbers of one sub-index. The first of them is not used: in one of the streams it belongs to a penalty.
constexpr std::int64_t kBlock = 4;
static_assert(kAugmentDraws % kBlock == 0);

// In fp64: LibTorch's vector and scalar functions differ in the last bit. Which of them computes a number
// depends on its place in the batch. Rounded to fp32 the results are the same. With erf() and exp() alone:
// LibTorch compiles erfc() and exp2() for a GPU at run time.
class Draws {
 public:
  // The normal distribution function of a normal number is uniform.
  Draws(const at::Tensor& normals, double probability)
      : normals_(normals.to(at::kDouble)),
        uniforms_((at::erf(normals_ / std::numbers::sqrt2) + 1) * 0.5),
        probability_(probability) {}
  [[nodiscard]] at::Tensor normal(AugmentDraw column) const { return normals_.select(1, column); }
  [[nodiscard]] at::Tensor uniform(AugmentDraw column) const { return uniforms_.select(1, column); }
  // Uniform numbers are at most 1, so probability 1 chooses all samples.
  [[nodiscard]] at::Tensor chosen(AugmentDraw gate) const { return uniform(gate).le(probability_); }
  // [B]: `value` [B] of the chosen samples, `other` of the rest. at::where() has no meta kernel.
  [[nodiscard]] at::Tensor if_chosen(AugmentDraw gate, const at::Tensor& value, double other) const {
    return (value - other) * chosen(gate).to(at::kDouble) + other;
  }

 private:
  at::Tensor normals_, uniforms_;  // [B, kAugmentDraws]
  double probability_;
};

// at::abs() has no meta kernel.
at::Tensor magnitude(const at::Tensor& x) {
  return at::maximum(x, -x);
}

// The pixel [B, size] from which each pixel of a line comes.
at::Tensor sources(const Draws& draws, AugmentDraw column, std::int64_t size) {
  const std::int64_t most = size / kLargestShift;
  const at::Tensor pixels =
      (draws.uniform(column) * static_cast<double>(2 * most + 1)).floor().clamp_max(2 * most) - most;
  const at::Tensor shift = draws.if_chosen(kShiftChoice, pixels, 0).to(at::kLong).unsqueeze(1);
  const at::Tensor from = magnitude(at::arange(size, shift.options()) - shift);  // reflects -1 to 1
  return (size - 1) - magnitude((size - 1) - from);                              // and `size` to size - 2
}

// Gathers rows, then columns. In either gather a pixel is read at most twice, so its gradient is a sum of two
// terms, which have no order. Atomic additions on a GPU therefore give the same bits each time.
at::Tensor moved(const at::Tensor& images, const Draws& draws) {
  const std::int64_t batch = images.size(0), channels = images.size(1), height = images.size(2),
                     width = images.size(3);
  const std::vector<std::int64_t> shape{batch, height, width, channels};
  const at::Tensor rows = sources(draws, kShiftRows, height), straight = sources(draws, kShiftColumns, width);
  const at::Tensor is_mirrored =
      (draws.chosen(kMirrorChoice).to(at::kLong) * draws.uniform(kMirror).le(0.5).to(at::kLong)).unsqueeze(1);
  const at::Tensor columns = straight + ((width - 1) - straight * 2) * is_mirrored;
  return images.permute({0, 2, 3, 1})
      .gather(1, rows.view({batch, height, 1, 1}).expand(shape))
      .gather(2, columns.view({batch, 1, width, 1}).expand(shape))
      .permute({0, 3, 1, 2});
}

// Computes in fp32, and rounds to 16 bits once. Each operation in bf16 would add an error of up to 2^-9, a
// quarter of the step between two values of an 8-bit image. Factors of 1 and summands of 0 change no value.
at::Tensor coloured(const at::Tensor& images, const Draws& draws) {
  const at::ScalarType type = at::promote_types(images.scalar_type(), at::kFloat);
  const auto broadcast = [type](const at::Tensor& t) { return t.to(type).view({-1, 1, 1, 1}); };
  const auto factor = [&](AugmentDraw gate, AugmentDraw column, double deviation) {
    return broadcast(
        draws.if_chosen(gate, at::exp(draws.normal(column) * (deviation * std::numbers::ln2)), 1));
  };
  const at::Tensor brightness =
      broadcast(draws.if_chosen(kBrightnessChoice, draws.normal(kBrightness) * kBrightnessDeviation, 0));
  at::Tensor x = (images.to(type) + brightness) * factor(kContrastChoice, kContrast, kContrastDeviation);
  if (images.size(1) == 3) {
    const at::Tensor saturation = factor(kSaturationChoice, kSaturation, kSaturationDeviation);
    x = x * saturation + x.mean(1, /*keepdim=*/true) * (1 - saturation);
  }
  return x.to(images.scalar_type());
}

}  // namespace

at::Tensor augmentation_draws(std::int64_t samples, std::uint64_t seed, RandomStream stream,
                              std::int64_t position, AugmentedPhase phase, at::Device device) {
  const std::int64_t first = kBlock + kAugmentDraws * static_cast<std::int64_t>(phase);
  return numerics::philox_normal(samples, first + kAugmentDraws, seed, static_cast<std::uint32_t>(stream),
                                 position, at::kFloat, device)
      .narrow(1, first, kAugmentDraws);
}

at::Tensor augment(const at::Tensor& images, const at::Tensor& draws, double probability) {
  if (probability <= 0) return images;
  const Draws of_samples(draws, probability);
  return coloured(moved(images, of_samples), of_samples);
}

}  // namespace ebb::models
