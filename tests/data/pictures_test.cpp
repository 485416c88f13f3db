// SPDX-License-Identifier: Apache-2.0
// What pictures decode to. pictures_compare.py compares with Pillow; pictures_damage_test.cpp has bad input.
#include <gtest/gtest.h>

#include <cmath>

#include "data/fixtures.h"
#include "data/picture_files.h"
#include "data/pictures/fit.h"
#include "data/pictures/picture.h"

namespace ebb::data::testing {
namespace {

Picture decode(const std::string& file, std::int64_t channels) {
  return decode_picture(bytes_of(file), channels, "a.picture");
}
PictureInfo info_of(const std::string& file) {
  return picture_info(bytes_of(file), "a.picture");
}

int value_at(const Picture& picture, std::int64_t y, std::int64_t x, std::int64_t channel = 0) {
  return std::to_integer<int>(
      picture.pixels.at(static_cast<std::size_t>((y * picture.width + x) * picture.channels + channel)));
}

void expect_info(const std::string& file, const std::string& kind, std::int64_t height, std::int64_t width,
                 std::int64_t channels, int bits) {
  const PictureInfo info = info_of(file);
  EXPECT_EQ(info.kind, kind);
  EXPECT_EQ(info.height, height);
  EXPECT_EQ(info.width, width);
  EXPECT_EQ(info.channels, channels);
  EXPECT_EQ(info.bits, bits);
}

void expect_near(const Picture& found, const Picture& wanted, int most) {
  ASSERT_EQ(found.pixels.size(), wanted.pixels.size());
  for (std::size_t i = 0; i < wanted.pixels.size(); ++i)
    ASSERT_LE(std::abs(std::to_integer<int>(found.pixels[i]) - std::to_integer<int>(wanted.pixels[i])), most)
        << "value " << i;
}

TEST(Pictures, HaveNamesOfFourKindsInAnyCase) {
  for (const char* name : {"a.jpg", "b/c.JPEG", "x.PnG", "x.y.webp", "é.bmp"})
    EXPECT_TRUE(has_picture_name(name));
  for (const char* name : {"a.gif", "jpg", "a.jpg.txt", "", "a.jpgx"}) EXPECT_FALSE(has_picture_name(name));
}

TEST(Pictures, LosslessFilesKeepEveryPixel) {
  for (const std::int64_t channels : {1, 3, 4}) {
    const Picture picture = sample_picture(5, 7, channels);
    EXPECT_EQ(decode(png_of(picture), channels).pixels, picture.pixels);
    expect_info(png_of(picture), "PNG", 5, 7, channels, 8);
    if (channels == 1) continue;
    Picture visible = picture;  // libwebp does not keep colours that cannot be seen
    for (std::size_t i = 3; channels == 4 && i < visible.pixels.size(); i += 4)
      visible.pixels[i] |= std::byte{1};
    EXPECT_EQ(decode(webp_of(visible), channels).pixels, visible.pixels);
    expect_info(webp_of(visible), "WebP", 5, 7, channels, 8);
  }
}

TEST(Pictures, JpegIsNearItsSourceInEveryColourSpace) {
  Picture picture{16, 24, 3, {}};
  for (int i = 0; i < 16 * 24; ++i)
    for (const int value : {i % 24 * 8, i / 24 * 12, 90})
      picture.pixels.push_back(static_cast<std::byte>(value));
  for (const bool progressive : {false, true})
    for (const J_COLOR_SPACE stored : {JCS_YCbCr, JCS_RGB})
      expect_near(decode(jpeg_of(picture, {progressive, stored, {}}), 3), picture, 3);
  expect_info(jpeg_of(picture), "JPEG", 16, 24, 3, 8);
  const Picture grey = decode(jpeg_of(picture), 1);
  expect_near(decode(jpeg_of(grey), 1), grey, 1);
  expect_info(jpeg_of(grey), "JPEG", 16, 24, 1, 8);
}

// The values of the file are inverted: 255 is no ink.
TEST(Pictures, CmykAndYcckLoseTheirBlack) {
  Picture inks{8, 8, 4, {}};
  for (int i = 0; i < 64; ++i)
    for (const int value : {200, 100, 50, 128}) inks.pixels.push_back(static_cast<std::byte>(value));
  for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
    const Picture found = decode(jpeg_of(inks, {false, stored, {}}), 3);
    EXPECT_NEAR(value_at(found, 3, 3, 0), 200 * 128 / 255, 2);
    EXPECT_NEAR(value_at(found, 3, 3, 1), 100 * 128 / 255, 2);
    EXPECT_NEAR(value_at(found, 3, 3, 2), 50 * 128 / 255, 2);
    expect_info(jpeg_of(inks, {false, stored, {}}), "JPEG", 8, 8, 3, 8);
  }
}

TEST(Pictures, ChannelsAreAddedAndRemoved) {
  Picture picture{1, 2, 4, {}};
  for (const int value : {10, 200, 30, 255, 10, 200, 30, 64})
    picture.pixels.push_back(static_cast<std::byte>(value));
  const std::string file = png_of(picture);
  const auto over_white = [](int colour, int alpha) {
    return static_cast<int>(std::lround((colour * alpha + 255.0 * (255 - alpha)) / 255));
  };
  const Picture three = decode(file, 3), one = decode(file, 1);
  for (const int c : {0, 1, 2}) {
    const int colour = value_at(picture, 0, 0, c);
    EXPECT_EQ(value_at(three, 0, 0, c), colour);
    EXPECT_EQ(value_at(three, 0, 1, c), over_white(colour, 64));
  }
  for (const int x : {0, 1})
    EXPECT_EQ(value_at(one, 0, x), (19595 * value_at(three, 0, x, 0) + 38470 * value_at(three, 0, x, 1) +
                                    7471 * value_at(three, 0, x, 2) + 32768) >>
                                       16);
  const Picture grey = sample_picture(2, 3, 1), four = decode(png_of(grey), 4);
  for (const int x : {0, 1, 2}) {
    EXPECT_EQ(value_at(four, 1, x, 0), value_at(grey, 1, x));
    EXPECT_EQ(value_at(four, 1, x, 2), value_at(grey, 1, x));
    EXPECT_EQ(value_at(four, 1, x, 3), 255);
  }
  const Picture grey_alpha = sample_picture(2, 3, 2);
  expect_info(png_of(grey_alpha), "PNG", 2, 3, 4, 8);
  EXPECT_EQ(value_at(decode(png_of(grey_alpha), 4), 1, 2, 3), value_at(grey_alpha, 1, 2, 1));
  EXPECT_EQ(value_at(decode(png_of(grey_alpha), 1), 1, 2),
            over_white(value_at(grey_alpha, 1, 2), value_at(grey_alpha, 1, 2, 1)));
}

TEST(Pictures, SixteenBitsAreScaledAndRounded) {
  std::string rows(1, '\0');
  const std::vector<std::uint32_t> values{0, 128, 129, 0x80ff, 0xfefe, 0xffff};
  for (const std::uint32_t value : values) rows += big_endian_text(value, 2);
  const std::string file = png_file({6, 1, 16, 0, rows});
  expect_info(file, "PNG", 1, 6, 1, 16);
  const Picture found = decode(file, 1);
  for (std::size_t i = 0; i < values.size(); ++i)
    EXPECT_EQ(value_at(found, 0, static_cast<std::int64_t>(i)), std::lround(values[i] * 255.0 / 65535))
        << values[i];
}

// Rows 1 2 3 and 4 5 6, as a viewer shows them.
TEST(Pictures, EveryOrientationInEveryKind) {
  const std::vector<std::string> shown{"123456", "321654", "654321", "456123",
                                       "142536", "415263", "635241", "362514"};
  Picture stored{2, 3, 3, {}}, large{16, 24, 3, {}};  // of whole blocks, so that JPEG keeps the colours
  for (int i = 1; i <= 6; ++i) stored.pixels.insert(stored.pixels.end(), 3, static_cast<std::byte>(i * 40));
  for (int i = 0; i < 16 * 24; ++i)
    large.pixels.insert(large.pixels.end(), 3,
                        static_cast<std::byte>((i / 24 / 8 * 3 + i % 24 / 8 + 1) * 40));
  for (int orientation = 1; orientation <= 8; ++orientation) {
    for (const bool is_little : {false, true}) {
      const std::string exif = exif_text(orientation, is_little);
      const std::string chunk = png_chunk("eXIf", exif), prefixed = std::string("Exif\0\0", 6) + exif;
      const std::string riff = "EXIF" + little_endian_text(static_cast<std::uint32_t>(exif.size()), 4) + exif;
      const std::vector<std::pair<std::string, std::int64_t>> files{
          {png_of(stored, chunk), 1},
          {png_of(stored, "", chunk), 1},
          {extended_webp(webp_of(stored), stored, 8, riff), 1},
          {jpeg_of(large, {false, JCS_UNKNOWN, prefixed}), 8}};
      for (const auto& [file, block] : files) {
        const bool turned = orientation >= 5;
        expect_info(file, info_of(file).kind, (turned ? 3 : 2) * block, (turned ? 2 : 3) * block, 3, 8);
        const Picture found = decode(file, 3);
        std::string text;
        for (std::int64_t y = 0; y < found.height; y += block)
          for (std::int64_t x = 0; x < found.width; x += block)
            text += static_cast<char>('0' + (value_at(found, y, x) + 20) / 40);
        EXPECT_EQ(text, shown[static_cast<std::size_t>(orientation - 1)])
            << info_of(file).kind << orientation;
      }
    }
  }
}

TEST(Pictures, DamagedExifLeavesThePictureAsStored) {
  const Picture picture = sample_picture(2, 3, 3);
  std::vector<std::string> bad{"", "II", "Exif", "II*", exif_text(9, true), exif_text(0, false)};
  const std::string whole = exif_text(6, true);
  for (std::size_t i = 0; i < whole.size() - 4; ++i)
    bad.push_back(whole.substr(0, i));  // 4: no entry's bytes
  std::string far = whole;
  far.replace(4, 4, "\xff\xff\xff\xff");
  bad.push_back(far);
  for (const std::string& exif : bad) EXPECT_EQ(info_of(png_of(picture, png_chunk("eXIf", exif))).height, 2);
  EXPECT_EQ(info_of(png_of(picture, png_chunk("eXIf", whole))).height, 3);
}

TEST(Pictures, BitmapsOfEveryDepth) {
  const std::string palette = std::string("\x01\x02\x03\0\x0a\x0b\x0c\0\xff\xfe\xfd\0", 12);  // blue first
  struct Case {
    BmpParts parts;
    std::int64_t channels;
    std::vector<int> pixels;  // of two rows of two, from the top
  };
  const std::vector<int> colours{12, 11, 10, 3, 2, 1, 253, 254, 255, 12, 11, 10};
  const std::string red_blue("\0\0\xff\xff\0\0\0\0", 8), green_white("\0\xff\0\xff\xff\xff\0\0", 8);
  const std::vector<int> four{0, 255, 0, 255, 255, 255, 255, 0, 0, 0, 0, 255};
  const std::string masks = little_endian_text(0xff, 4) + little_endian_text(0xff00, 4) +
                            little_endian_text(0xff0000, 4) + little_endian_text(0xff000000, 4);
  const std::string masks_565 =
      little_endian_text(0xf800, 4) + little_endian_text(0x7e0, 4) + little_endian_text(0x1f, 4);
  const std::vector<Case> cases{
      {{2, 2, 8, 0, palette, 3, std::string("\2\1\0\0\1\0\0\0", 8)}, 3, colours},
      {{2, -2, 8, 0, palette, 3, std::string("\1\0\0\0\2\1\0\0", 8)}, 3, colours},
      {{2, 2, 4, 0, palette, 3, std::string("\x21\0\0\0\x10\0\0\0", 8)}, 3, colours},
      {{2, 2, 1, 0, palette.substr(0, 8), 2, std::string("\x40\0\0\0\x80\0\0\0", 8)},
       3,
       {12, 11, 10, 3, 2, 1, 3, 2, 1, 12, 11, 10}},
      {{2, 2, 1, 0, std::string("\0\0\0\0\xff\xff\xff\0", 8), 0, std::string("\x40\0\0\0\x80\0\0\0", 8)},
       1,
       {255, 0, 0, 255}},
      {{2, 2, 24, 0, "", 0, red_blue + green_white}, 3, four},
      {{2, 2, 32, 0, "", 0, std::string("\0\0\xff\x11\xff\0\0\x22\0\xff\0\x33\xff\xff\xff\x44", 16)},
       3,
       four},
      {{2, 1, 32, 6, masks, 0, std::string("\1\2\3\4\5\6\7\x8", 8)}, 4, {1, 2, 3, 4, 5, 6, 7, 8}},
      {{2, 1, 16, 0, "", 0, std::string("\x1f\0\0\x40", 4)}, 3, {0, 0, 255, 132, 0, 0}},
      {{2, 1, 16, 3, masks_565, 0, std::string("\x1f\0\xe0\x07", 4)}, 3, {0, 0, 255, 0, 255, 0}},
  };
  for (const Case& c : cases) {
    const std::string file = bmp_file(c.parts);
    expect_info(file, "BMP", std::abs(c.parts.height), c.parts.width, c.channels, 8);
    std::vector<int> found;
    for (const std::byte value : decode(file, c.channels).pixels)
      found.push_back(std::to_integer<int>(value));
    EXPECT_EQ(found, c.pixels) << c.parts.bits << " bits, compression " << c.parts.compression;
  }
}

TEST(Pictures, TheOldestHeaderOfBitmaps) {
  const std::string info = little_endian_text(12, 4) + little_endian_text(1, 2) + little_endian_text(2, 2) +
                           little_endian_text(1, 2) + little_endian_text(24, 2);
  const std::string file = "BM" + little_endian_text(34, 4) + std::string(4, '\0') +
                           little_endian_text(26, 4) + info + std::string("\1\2\3\0\4\5\6\0", 8);
  const Picture found = decode(file, 3);
  EXPECT_EQ(found.height, 2);
  EXPECT_EQ(text_of_pixels(found), "\6\5\4\3\2\1");
}

TEST(Pictures, WarningsOfADecoderAreCounted) {
  const Picture grey = sample_picture(32, 32, 1);
  std::string file = jpeg_of(grey);
  const DecodeCounts before = decode_counts();
  decode(file, 1);
  EXPECT_EQ(decode_counts().pictures, before.pictures + 1);
  EXPECT_EQ(decode_counts().warnings, before.warnings);
  file.insert(file.size() - 2, 100, '\x11');  // before the end's marker
  decode(file, 1);
  EXPECT_EQ(decode_counts().pictures, before.pictures + 2);
  EXPECT_GT(decode_counts().warnings, before.warnings);
}

TEST(FitPicture, CropsTheMiddleAndStretchesTheWhole) {
  Picture wide{2, 7, 1, {}};
  for (int i = 0; i < 14; ++i) wide.pixels.push_back(static_cast<std::byte>(i % 7 * 10));
  EXPECT_EQ(text_of_pixels(fit_picture(wide, 2, true)), "\x14\x1e\x14\x1e");  // columns 2 and 3 of 0 to 6
  const Picture whole = fit_picture(wide, 2, false);
  EXPECT_LT(value_at(whole, 0, 0), 20);
  EXPECT_GT(value_at(whole, 0, 1), 40);
  Picture tall = wide;
  std::swap(tall.height, tall.width);
  EXPECT_EQ(text_of_pixels(fit_picture(tall, 2, true)), std::string("\x28\x32\x3c\0", 4));
}

TEST(FitPicture, KeepsAPictureOfTheSizeAndRefusesNone) {
  const Picture picture = sample_picture(6, 6, 3);
  EXPECT_EQ(fit_picture(picture, 6, true).pixels, picture.pixels);
  const Picture constant{9, 4, 4, std::vector<std::byte>(144, std::byte{77})};
  for (const bool crop : {false, true})
    EXPECT_EQ(fit_picture(constant, 31, crop).pixels, std::vector<std::byte>(31 * 31 * 4, std::byte{77}));
  expect_error(ExitCode::internal, {"0 x 0", "[6, 6, 3]"}, [&] { fit_picture(picture, 0, true); });
  expect_error(ExitCode::internal, {"[0, 0, 0]"}, [] { fit_picture({}, 4, true); });
}

}  // namespace
}  // namespace ebb::data::testing
