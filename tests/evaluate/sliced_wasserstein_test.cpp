// SPDX-License-Identifier: Apache-2.0
#include "evaluate/sliced_wasserstein.h"

#include <gtest/gtest.h>

#include <numeric>

#include "evaluate/images_under_test.h"

namespace ebb::evaluate {
namespace {

// Each pixel moves by this share towards the mean of its 3 x 3 neighbourhood.
at::Tensor box_blurred(const at::Tensor& images, double share) {
  const at::Tensor values = images.to(at::kFloat);
  const at::Tensor mean = at::avg_pool2d(at::reflection_pad2d(values, {1, 1, 1, 1}), {3, 3}, {1, 1});
  return (values + share * (mean - values)).round().to(at::kByte);
}

TEST(SlicedWasserstein, IsZeroForEqualSets) {
  const at::Tensor images = noise(1, 16, 3, 32);
  const SlicedWasserstein found = sliced_wasserstein(images, images.clone());
  EXPECT_EQ(found.levels, (std::vector<double>{0, 0}));
  EXPECT_EQ(found.mean, 0);
}

TEST(SlicedWasserstein, IsSymmetricAndTheMeanOfItsLevels) {
  const at::Tensor a = noise(1, 16, 1, 64), b = box_blurred(noise(2, 16, 1, 64), 0.5);
  const SlicedWasserstein ab = sliced_wasserstein(a, b), ba = sliced_wasserstein(b, a);
  ASSERT_EQ(ab.levels.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GT(ab.levels[i], 1);
    EXPECT_NEAR(ab.levels[i], ba.levels[i], 1e-6 * ab.levels[i]);
  }
  EXPECT_DOUBLE_EQ(ab.mean, std::accumulate(ab.levels.begin(), ab.levels.end(), 0.0) / 3);
}

TEST(SlicedWasserstein, HasOneLevelForSmallImages) {
  for (const std::int64_t side : {7, 16, 28})
    EXPECT_EQ(sliced_wasserstein(noise(1, 4, 1, side), noise(2, 4, 1, side)).levels.size(), 1U) << side;
}

TEST(SlicedWasserstein, GrowsWithBlur) {
  const at::Tensor images = noise(1, 64, 1, 32);
  const double little = sliced_wasserstein(images, box_blurred(images, 0.25)).levels[0];
  const double much = sliced_wasserstein(images, box_blurred(images, 0.75)).levels[0];
  EXPECT_GT(little, 0.5);
  EXPECT_GT(much, 2 * little);
}

// The coarsest level has the brightness of the images, the finer ones do not.
TEST(SlicedWasserstein, GrowsWithDifferencesOfBrightnessBetweenImages) {
  const at::Tensor images = noise(1, 64, 1, 32, 100, 156);
  const at::Tensor side = at::arange(64).remainder(2).mul(2).sub(1).reshape({64, 1, 1, 1});
  const auto shifted = [&](int by) { return (images + side * by).to(at::kByte); };
  const SlicedWasserstein little = sliced_wasserstein(images, shifted(2));
  const SlicedWasserstein much = sliced_wasserstein(images, shifted(50));
  EXPECT_GT(little.levels[1], 10);
  EXPECT_GT(much.levels[1], 3 * little.levels[1]);
  EXPECT_LT(much.levels[0], 0.1);
}

TEST(SlicedWasserstein, IgnoresBrightnessAndContrastOfAWholeSet) {
  const at::Tensor images = noise(1, 32, 3, 32, 0, 100);
  EXPECT_LT(sliced_wasserstein(images, images + 40).mean, 0.1);
  EXPECT_LT(sliced_wasserstein(images, images * 2).mean, 0.1);
}

TEST(SlicedWasserstein, TakesConstantImages) {
  const at::Tensor grey = at::full({8, 3, 32, 32}, 77, at::kByte);
  EXPECT_EQ(sliced_wasserstein(grey, at::full({8, 3, 32, 32}, 3, at::kByte)).mean, 0);
  EXPECT_GT(sliced_wasserstein(grey, noise(1, 8, 3, 32)).mean, 100);
}

// Images of 7 x 7 pixels have one patch each, so a reference knows the descriptors. It draws other
// directions. The mean over 512 of them has a standard error of 1.6 %.
TEST(SlicedWasserstein, EqualsAReferenceWithManyDirections) {
  const at::Tensor a = noise(1, 500, 3, 7), b = box_blurred(noise(2, 500, 3, 7), 0.6);
  const auto normalised = [](const at::Tensor& images) {
    const at::Tensor x = images.to(at::kDouble), centred = x - x.mean({0, 2, 3}, true);
    return (centred / centred.square().mean({0, 2, 3}, true).sqrt()).flatten(1);
  };
  at::manual_seed(3);
  at::Tensor directions = at::randn({147, 8000}, at::kDouble);
  directions /= directions.square().sum(0).sqrt();
  const auto sorted = [&](const at::Tensor& images) {
    return std::get<0>(at::sort(at::mm(normalised(images), directions), 0));
  };
  const double expected = 1000 * (sorted(a) - sorted(b)).abs().mean().item<double>();
  EXPECT_NEAR(sliced_wasserstein(a, b).mean, expected, 0.08 * expected);
}

TEST(SlicedWasserstein, TakesFewerPatchesOfManyImages) {
  EXPECT_EQ(patches_per_image(2048, 1), 128);
  EXPECT_EQ(patches_per_image(2048, 3), 128);
  EXPECT_EQ(patches_per_image(50000, 3), 9);  // 450,000 descriptors of 588 bytes
  EXPECT_EQ(patches_per_image(1000000, 3), 0);
}

TEST(SlicedWasserstein, RefusesSmallImagesAndDifferentShapes) {
  expect_error(ExitCode::usage, {"7x7", "6x6"},
               [] { sliced_wasserstein(noise(1, 2, 1, 6), noise(1, 2, 1, 6)); });
  expect_error(ExitCode::internal, {"[2, 1, 8, 8]", "[3, 1, 8, 8]"},
               [] { sliced_wasserstein(noise(1, 2, 1, 8), noise(1, 3, 1, 8)); });
}

}  // namespace
}  // namespace ebb::evaluate
