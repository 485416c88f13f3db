// SPDX-License-Identifier: Apache-2.0
#include "evaluate/pyramid.h"

#include <gtest/gtest.h>

#include <utility>

#include "evaluate/images_under_test.h"

namespace ebb::evaluate {
namespace {

// A reference in fp64 by LibTorch's convolution in two dimensions.
at::Tensor blurred(const at::Tensor& image, double factor) {
  const at::Tensor line = at::tensor({1.0, 4.0, 6.0, 4.0, 1.0}, at::kDouble) / 16;
  const at::Tensor filter = at::outer(line, line).reshape({1, 1, 5, 5}) * factor;
  return at::conv2d(at::reflection_pad2d(image.unsqueeze(0).unsqueeze(0), {2, 2, 2, 2}), filter)[0][0];
}

at::Tensor halved(const at::Tensor& image) {
  return blurred(image, 1).slice(0, 0, std::nullopt, 2).slice(1, 0, std::nullopt, 2);
}

at::Tensor expected_level(at::Tensor image, std::int64_t level, std::int64_t levels) {
  for (std::int64_t i = 0; i < level; ++i) image = halved(image);
  if (level + 1 == levels) return image;
  at::Tensor zeros = at::zeros_like(image);
  zeros.slice(0, 0, std::nullopt, 2).slice(1, 0, std::nullopt, 2).copy_(halved(image));
  return image - blurred(zeros, 4);
}

Plane level_of(const at::Tensor& image, std::int64_t level) {
  return laplacian_level(image.const_data_ptr<std::uint8_t>(), image.size(0), image.size(1), level);
}

at::Tensor tensor_of(Plane& plane) {
  return at::from_blob(plane.values.data(), {plane.height, plane.width}, at::kFloat).clone();
}

TEST(Pyramid, HasLevelsDownTo16) {
  EXPECT_EQ(pyramid_levels(8, 8), 1);
  EXPECT_EQ(pyramid_levels(16, 16), 1);
  EXPECT_EQ(pyramid_levels(28, 28), 1);
  EXPECT_EQ(pyramid_levels(30, 30), 1);
  EXPECT_EQ(pyramid_levels(31, 31), 2);  // 16
  EXPECT_EQ(pyramid_levels(32, 32), 2);
  EXPECT_EQ(pyramid_levels(128, 128), 4);
  EXPECT_EQ(pyramid_levels(100, 100), 3);  // 50, 25
  EXPECT_EQ(pyramid_levels(20, 256), 1);   // the smaller side counts
  EXPECT_EQ(level_size(31, 1), 16);
  EXPECT_EQ(level_size(100, 2), 25);
}

TEST(Pyramid, EqualsAConvolutionInTwoDimensions) {
  using Size = std::pair<std::int64_t, std::int64_t>;
  for (const auto& [height, width] : {Size{32, 32}, Size{33, 47}, Size{64, 61}, Size{16, 20}}) {
    const at::Tensor image = noise(3, 1, 1, 64)[0][0].slice(0, 0, height).slice(1, 0, width).contiguous();
    const std::int64_t levels = pyramid_levels(height, width);
    for (std::int64_t level = 0; level < levels; ++level) {
      Plane plane = level_of(image, level);
      const at::Tensor expected = expected_level(image.to(at::kDouble), level, levels);
      ASSERT_EQ(plane.height, expected.size(0));
      ASSERT_EQ(plane.width, expected.size(1));
      EXPECT_LT((tensor_of(plane) - expected).abs().max().item<double>(), 1e-4)
          << height << "x" << width << ", level " << level;
    }
  }
}

TEST(Pyramid, SeparatesAConstantExactly) {
  const at::Tensor grey = at::full({65, 64}, 77, at::kByte);
  for (std::int64_t level = 0; level < pyramid_levels(65, 64); ++level) {
    Plane plane = level_of(grey, level);
    const float expected = level + 1 == pyramid_levels(65, 64) ? 77 : 0;
    EXPECT_TRUE((tensor_of(plane) == expected).all().item<bool>()) << "level " << level;
  }
}

}  // namespace
}  // namespace ebb::evaluate
