// SPDX-License-Identifier: Apache-2.0
#include "telemetry/image_grid.h"

#include <png.h>

#include "base/error.h"
#include "support/folder_test.h"

namespace ebb::telemetry {
namespace {

class ImageGridTest : public test::FolderTest {
 protected:
  // Decodes the file with libpng; returns [H, W, C].
  at::Tensor read(std::int64_t channels) const {
    png_image png{};
    png.version = PNG_IMAGE_VERSION;
    EXPECT_NE(png_image_begin_read_from_file(&png, path().c_str()), 0);
    EXPECT_EQ(png.format & PNG_FORMAT_FLAG_COLOR, channels == 3 ? PNG_FORMAT_FLAG_COLOR : 0u);
    png.format = channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
    at::Tensor pixels = at::empty({png.height, png.width, channels}, at::kByte);
    EXPECT_NE(png_image_finish_read(&png, nullptr, pixels.data_ptr(), 0, nullptr), 0);
    return pixels;
  }
  [[nodiscard]] std::filesystem::path path() const { return folder_ / "grid.png"; }
};

TEST_F(ImageGridTest, GreyImagesAreInRowMajorOrderWithTwoPixelsBetween) {
  const at::Tensor images = at::randint(1, 256, {5, 1, 4, 6}, at::kByte);
  write_grid(path(), images, 3, 1);
  const at::Tensor pixels = read(1);
  ASSERT_EQ(pixels.sizes(), (at::IntArrayRef{2 + 2 * 6, 2 + 3 * 8, 1}));
  at::Tensor rest = pixels.clone();
  for (std::int64_t i = 0; i < 5; ++i) {
    const auto cell = [&](const at::Tensor& t) {
      return t.narrow(0, 2 + i / 3 * 6, 4).narrow(1, 2 + i % 3 * 8, 6);
    };
    EXPECT_TRUE(at::equal(cell(pixels).squeeze(2), images[i][0])) << i;
    cell(rest).zero_();
  }
  EXPECT_EQ(rest.sum().item<std::int64_t>(), 0) << "there are pixels between the images";
}

TEST_F(ImageGridTest, ColourImagesAreUpscaledPixelByPixel) {
  const at::Tensor images = at::randint(0, 256, {2, 3, 4, 5}, at::kByte);
  write_grid(path(), images, 2, 3);
  const at::Tensor pixels = read(3);
  ASSERT_EQ(pixels.sizes(), (at::IntArrayRef{2 + 14, 2 + 2 * 17, 3}));
  for (std::int64_t y = 0; y < 12; ++y) {
    for (std::int64_t x = 0; x < 15; ++x) {
      EXPECT_TRUE(at::equal(pixels[2 + y][2 + 17 + x], images[1].select(1, y / 3).select(1, x / 3)));
    }
  }
}

TEST_F(ImageGridTest, SmallImagesAreDoubledByDefault) {
  write_grid(path(), at::zeros({1, 1, 28, 28}, at::kByte), 1);
  EXPECT_EQ(read(1).size(0), 2 + 58);
  write_grid(path(), at::zeros({1, 1, 64, 28}, at::kByte), 1);
  EXPECT_EQ(read(1).size(0), 2 + 66);
}

TEST_F(ImageGridTest, FewerImagesThanColumnsMakeANarrowGrid) {
  write_grid(path(), at::zeros({2, 1, 8, 8}, at::kByte), 8, 1);
  EXPECT_EQ(read(1).size(1), 2 + 2 * 10);
}

TEST_F(ImageGridTest, AGridIsAboutSquare) {
  EXPECT_EQ(columns_for(64), 8);
  EXPECT_EQ(columns_for(65), 9);
  EXPECT_EQ(columns_for(1), 1);
}

TEST_F(ImageGridTest, OfTwoChannelsTheFirstIsShownAndOfMoreTheFirstThree) {
  const at::Tensor images = at::arange(4 * 4 * 4, at::kByte).view({1, 4, 4, 4});
  write_grid(path(), images.narrow(1, 0, 2), 1, 1);
  EXPECT_TRUE(at::equal(read(1).slice(0, 2, 6).slice(1, 2, 6).select(2, 0), images[0][0]));
  for (const at::Tensor& more : {images, at::cat({images, images}, 1)}) {
    write_grid(path(), more, 1, 1);
    EXPECT_TRUE(at::equal(read(3).slice(0, 2, 6).slice(1, 2, 6), more[0].narrow(0, 0, 3).permute({1, 2, 0})));
  }
}

TEST_F(ImageGridTest, OtherTensorsAndUnwritablePathsAreRefused) {
  EXPECT_THROW(write_grid(path(), at::zeros({1, 0, 4, 4}, at::kByte), 1), Error);
  EXPECT_THROW(write_grid(path(), at::zeros({1, 1, 4, 4}), 1), Error);
  EXPECT_THROW(write_grid(path(), at::zeros({0, 1, 4, 4}, at::kByte), 1), Error);
  EXPECT_FALSE(std::filesystem::exists(path()));
  put("file", "");
  try {
    write_grid(folder_ / "file" / "grid.png", at::zeros({1, 1, 4, 4}, at::kByte), 1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::storage);
  }
}

}  // namespace
}  // namespace ebb::telemetry
