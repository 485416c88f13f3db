// SPDX-License-Identifier: Apache-2.0
// Damaged, oversized and foreign files in place of pictures.
#include <gtest/gtest.h>

#include "data/fixtures.h"
#include "data/picture_files.h"

namespace ebb::data::testing {
namespace {

void expect_refused(const std::string& file, const std::vector<std::string>& words) {
  std::vector<std::string> all = words;
  all.emplace_back("photos/a.jpg");
  const auto bytes = bytes_of(file);
  expect_error(ExitCode::data, all, [&] { decode_picture(bytes, 3, "photos/a.jpg"); });
}

// `body` may use 64 MiB at most. It runs in a process of its own, as the limit stays.
void expect_in_bounded_memory(const std::function<void()>& body) {
#ifndef EBB_SANITIZED
  EXPECT_EXIT(
      {
        limit_further_memory(64 << 20);
        body();
        std::exit(::testing::Test::HasFailure() ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
#else
  body();
#endif
}

TEST(DamagedPictures, OtherKindsAreNamed) {
  const std::vector<std::pair<std::string, std::string>> files{
      {"GIF89a", "a GIF picture"},
      {std::string("II*\0\x08\0\0\0", 8), "a TIFF picture"},
      {std::string("MM\0*", 4), "a TIFF picture"},
      {std::string("\0\0\0 ftypavif", 12), "an AVIF picture"},
      {std::string("\0\0\0 ftypheic", 12), "a HEIC picture"},
      {std::string("\0\0\0 ftypmp42", 12), "a video"},
      {"<?xml version=\"1.0\"?>\n<!-- x -->\n<SVG width=\"1\">", "an SVG drawing"},
      {"\xef\xbb\xbf<svg/>", "an SVG drawing"},
      {"\n<!DOCTYPE html><html>", "an HTML page"},
      {std::string("\0\0\0\x0cJXL \r\n\x87\n", 12), "a JPEG XL picture"},
      {std::string("RIFF\0\0\0\0WAVE", 12), "no WebP picture"},
      {"%PDF-1.7", "a PDF document"},
      {"PK\3\4", "a ZIP archive"},
      {"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "git-lfs"},
      {"", "the file is empty"},
      {"hello", "begins with 68 65 6c 6c"},
      {std::string(3, '\0'), "begins with 00 00 00"},
  };
  for (const auto& [file, kind] : files) expect_refused(file, {kind});
  expect_refused("GIF89a", {"ebb reads JPEG, PNG, WebP and BMP", "convert it"});
}

TEST(DamagedPictures, EveryTruncationIsAnErrorByName) {
  const Picture picture = sample_picture(24, 20, 3);
  const std::vector<std::string> files{png_of(picture),
                                       png_of(sample_picture(9, 9, 4)),
                                       webp_of(picture),
                                       jpeg_of(picture),
                                       jpeg_of(picture, {true, JCS_UNKNOWN, {}}),
                                       bmp_file({4, 4, 24, 0, "", 0, std::string(48, 'x')})};
  for (const std::string& file : files) {
    ASSERT_NO_THROW(decode_picture(bytes_of(file), 3, "whole"));
    for (std::size_t size = 0; size < file.size(); ++size) {
      const auto bytes = bytes_of(file.substr(0, size));
      try {
        decode_picture(bytes, 3, "photos/a.jpg");
        ADD_FAILURE() << size << " of " << file.size() << " bytes";
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ExitCode::data);
        const std::string text = error.what();
        EXPECT_EQ(text.find("photos/a.jpg"), 0U) << text;
        EXPECT_TRUE(size <= 30 || text.find("truncated") != std::string::npos) << size << ": " << text;
      }
    }
  }
}

TEST(DamagedPictures, NoChangedByteCrashes) {
  const Picture picture = sample_picture(12, 10, 3);
  const std::string exif = std::string("Exif\0\0", 6) + exif_text(6, true);
  const std::vector<std::string> files{
      png_of(picture, png_chunk("eXIf", exif_text(6, false))), webp_of(picture),
      jpeg_of(picture, {false, JCS_UNKNOWN, exif}), jpeg_of(picture, {true, JCS_UNKNOWN, exif}),
      bmp_file({4, 4, 8, 0, std::string(12, 'p'), 3, std::string(16, '\2')})};
  std::int64_t refused = 0, read = 0;
  for (const std::string& file : files) {
    for (std::size_t at = 0; at < file.size(); ++at) {
      for (const char value : {'\0', '\x7f', '\xff'}) {
        std::string changed = file;
        changed[at] = value;
        try {
          const Picture found = decode_picture(bytes_of(changed), 3, "a");
          EXPECT_EQ(static_cast<std::int64_t>(found.pixels.size()), found.height * found.width * 3);
          ++read;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ExitCode::data) << error.what();
          ++refused;
        }
      }
    }
  }
  EXPECT_GT(refused, 100);
  EXPECT_GT(read, 100);
}

TEST(DamagedPictures, BombsAreRefusedBeforeMemoryIsTaken) {
  expect_in_bounded_memory([&] {
    // One side too long, then too many pixels, then more than the file can hold.
    expect_refused(png_file({40000, 1, 8, 0, "x"}), {"40000 x 1 pixels", "32768 on a side"});
    expect_refused(png_file({32768, 32768, 1, 0, "x"}), {"32768 x 32768", "134217728"});
    expect_refused(png_file({8192, 8192, 8, 6, "x"}), {"8192 x 8192", "254.0 KiB", "truncated or damaged"});
    expect_refused(bmp_file({8192, 8192, 24, 0, "", 0, "x"}), {"truncated"});
    expect_refused(bmp_file({1, INT32_MIN, 24, 0, "", 0, "x"}), {"2147483648"});
    std::string jpeg = jpeg_of(sample_picture(8, 8, 3));
    const std::size_t size_at = jpeg.find("\xff\xc0") + 5;
    jpeg.replace(size_at, 4, "\x20\x01\x20\x01");
    expect_refused(jpeg, {"8193 x 8193", "truncated or damaged"});
    jpeg.replace(size_at, 4, "\xff\xdc\x7f\xff");
    expect_refused(jpeg, {"32767 x 65500"});
    std::string webp = webp_of(sample_picture(8, 8, 3));
    webp[21] = webp[22] = webp[23] = '\xff';  // two sizes of 14 bits
    webp[24] = static_cast<char>(webp[24] | 0x0f);
    expect_refused(webp, {"16384 x 16384"});
  });
}

TEST(DamagedPictures, ManyScansAreRefused) {
  const Picture grey = sample_picture(8, 8, 1);
  std::string file = jpeg_of(grey, {true, JCS_UNKNOWN, {}});
  const std::size_t last = file.rfind("\xff\xda"), end = file.size() - 2;
  const std::string scan = file.substr(last, end - last);
  std::string many = file.substr(0, end);
  for (int i = 0; i < 600; ++i) many += scan;
  expect_refused(many + "\xff\xd9", {"more than 500 scans"});
}

TEST(DamagedPictures, WhatAPngSaysOfItself) {
  const Picture picture = sample_picture(4, 4, 3);
  std::string broken = png_of(picture);
  broken[broken.find("IDAT") + 8] ^= 0x55;
  expect_refused(broken, {"the PNG file is damaged: "});
  expect_refused(png_file({1, 1, 8, 3, std::string(2, '\0')}), {"damaged"});  // no palette
  expect_refused(png_file({1, 1, 3, 0, std::string(2, '\0')}), {"3 bits", "colour type 0"});
  expect_refused(png_file({0, 1, 8, 0, std::string(2, '\0')}), {"0 x 1", "empty"});
  std::string headless = png_of(picture);
  headless.replace(12, 4, "JHDR");
  expect_refused(headless, {"IHDR"});
}

TEST(DamagedPictures, WhatABitmapSaysOfItself) {
  const std::string row(8, '\0'), palette(8, 'p');
  expect_refused(bmp_file({4, 2, 8, 1, palette, 2, row}), {"RLE8", "compression 1"});
  expect_refused(bmp_file({4, 2, 4, 2, palette, 2, row}), {"RLE4"});
  expect_refused(bmp_file({4, 2, 24, 4, "", 0, row}), {"an embedded JPEG"});
  expect_refused(bmp_file({4, 2, 7, 0, "", 0, row}), {"7 bits"});
  expect_refused(bmp_file({4, 2, 1, 0, palette, 3, row}), {"a palette of 3 colours for 1 bits"});
  expect_refused(bmp_file({4, 2, 8, 0, palette, 2, std::string(8, '\7')}),
                 {"the colour 7 of a palette of 2"});
  const std::string holes =
      little_endian_text(0xf0f, 4) + little_endian_text(0xf0, 4) + little_endian_text(0xf000, 4);
  expect_refused(bmp_file({1, 1, 32, 3, holes, 0, row}), {"0x00000f0f"});
  std::string early = bmp_file({4, 2, 8, 0, palette, 2, row});
  early[10] = 54;
  expect_refused(early, {"byte 54", "byte 62"});
  std::string strange = early;
  strange[14] = 13;
  expect_refused(strange, {"13 bytes"});
}

TEST(DamagedPictures, AnAnimatedWebpIsRefused) {
  const Picture picture = sample_picture(4, 4, 3);
  const std::string animation = "ANIM" + little_endian_text(6, 4) + std::string(6, '\0');
  expect_refused(extended_webp(webp_of(picture), picture, 2, animation), {"animated WebP"});
}

TEST(DamagedPictures, OtherChannelsAreAFaultOfTheCaller) {
  const auto file = bytes_of(png_of(sample_picture(1, 1, 1)));
  expect_error(ExitCode::internal, {"2 channels"}, [&] { decode_picture(file, 2, "a"); });
}

}  // namespace
}  // namespace ebb::data::testing
