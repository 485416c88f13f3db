// SPDX-License-Identifier: Apache-2.0
// resize_compare.py compares with Pillow.
#include "evaluate/resize.h"

#include <gtest/gtest.h>

#include "evaluate/images_under_test.h"

namespace ebb::evaluate {
namespace {

TEST(ResizeBicubic, KeepsImagesOfTheSameSize) {
  const at::Tensor images = noise(1, 2, 3, 17);
  EXPECT_TRUE(at::equal(resize_bicubic(images, 17, 17), images));
}

TEST(ResizeBicubic, KeepsAConstant) {
  const at::Tensor grey = at::full({1, 3, 20, 30}, 77, at::kByte);
  EXPECT_TRUE(at::equal(resize_bicubic(grey, 299, 299), at::full({1, 3, 299, 299}, 77, at::kByte)));
  EXPECT_TRUE(at::equal(resize_bicubic(grey, 3, 7), at::full({1, 3, 3, 7}, 77, at::kByte)));
}

// Two pixels become four. Their weights are values of the kernel at distances from the centres, divided by
// their sum: at 1/4 and 3/4 for the inner pixels, and at 1/4 and 5/4 for the outer ones.
TEST(ResizeBicubic, HasTheKernelOfAMinusOneHalf) {
  const at::Tensor line = at::tensor({0, 200}, at::kByte).reshape({1, 1, 1, 2});
  const double quarter = 1.5 / 64 - 2.5 / 16 + 1, three_quarters = 1.5 * 27 / 64 - 2.5 * 9 / 16 + 1;
  const double beyond = -0.5 * (125.0 / 64 - 5 * 25.0 / 16 + 8 * 5.0 / 4 - 4);
  const double inner = 200 * three_quarters / (quarter + three_quarters),
               outer = 200 * beyond / (quarter + beyond);
  ASSERT_LT(outer, 0);  // clamped
  const at::Tensor wide = resize_bicubic(line, 1, 4).flatten();
  EXPECT_EQ(wide[0].item<int>(), 0);
  EXPECT_NEAR(wide[1].item<int>(), inner, 0.51);
  EXPECT_NEAR(wide[2].item<int>(), 200 - inner, 0.51);
  EXPECT_NEAR(wide[3].item<int>(), 200 - outer, 0.51);
}

TEST(ResizeBicubic, AveragesInAReduction) {
  const at::Tensor board = (at::arange(64).unsqueeze(1) + at::arange(64)).remainder(2).mul(255).to(at::kByte);
  const at::Tensor small = resize_bicubic(board.reshape({1, 1, 64, 64}), 8, 8).to(at::kFloat);
  EXPECT_NEAR(small.min().item<float>(), 127.5, 2);  // without the wider support: 0 or 255
  EXPECT_NEAR(small.max().item<float>(), 127.5, 2);
}

TEST(ResizeBicubic, TreatsChannelsAndImagesAlike) {
  const at::Tensor images = noise(2, 3, 3, 12);
  const at::Tensor all = resize_bicubic(images, 7, 19);
  EXPECT_EQ(all.sizes(), (at::IntArrayRef{3, 3, 7, 19}));
  for (std::int64_t n = 0; n < 3; ++n)
    for (std::int64_t c = 0; c < 3; ++c)
      EXPECT_TRUE(at::equal(resize_bicubic(images[n][c].reshape({1, 1, 12, 12}), 7, 19)[0][0], all[n][c]));
  EXPECT_TRUE(at::equal(resize_bicubic(images.transpose(2, 3), 19, 7),
                        resize_bicubic(images.transpose(2, 3).contiguous(), 19, 7)));
}

TEST(ResizeBicubic, RefusesOtherTensors) {
  expect_error(ExitCode::internal, {"uint8", "[1, 1, 4]"},
               [] { resize_bicubic(at::zeros({1, 1, 4}, at::kByte), 8, 8); });
  expect_error(ExitCode::internal, {"Float"}, [] { resize_bicubic(at::zeros({1, 1, 4, 4}), 8, 8); });
  expect_error(ExitCode::internal, {"0x8"}, [] { resize_bicubic(at::zeros({1, 1, 4, 4}, at::kByte), 0, 8); });
}

}  // namespace
}  // namespace ebb::evaluate
