// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <webp/encode.h>
#include <zlib.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "data/pictures/picture.h"
// These use types of <cstdio>, and do not include it.
#include <jpeglib.h>

// Makes the files of pictures that the tests decode. The comparison with Pillow (pictures_compare.py) has
// others.
namespace ebb::data::testing {

inline std::vector<std::byte> bytes_of(std::string_view text) {
  std::vector<std::byte> bytes;
  for (const char c : text) bytes.push_back(static_cast<std::byte>(c));
  return bytes;
}

inline std::string big_endian_text(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = bytes; i-- > 0;) text += static_cast<char>(value >> (8 * i) & 0xff);
  return text;
}
inline std::string little_endian_text(std::uint32_t value, int bytes) {
  const std::string text = big_endian_text(value, bytes);
  return {text.rbegin(), text.rend()};
}

// All values differ from their neighbours.
inline Picture sample_picture(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Picture picture{height, width, channels, {}};
  for (std::int64_t i = 0; i < height * width * channels; ++i)
    picture.pixels.push_back(static_cast<std::byte>((i * 37 + i / 11) & 0xff));
  return picture;
}

inline std::string text_of_pixels(const Picture& picture) {
  return {reinterpret_cast<const char*>(picture.pixels.data()), picture.pixels.size()};
}

inline std::string png_chunk(const std::string& type, const std::string& contents) {
  const std::string body = type + contents;
  const auto sum = crc32(0, reinterpret_cast<const Bytef*>(body.data()), static_cast<uInt>(body.size()));
  return big_endian_text(static_cast<std::uint32_t>(contents.size()), 4) + body +
         big_endian_text(static_cast<std::uint32_t>(sum), 4);
}

struct PngParts {
  std::uint32_t width, height, bits, colour_type;
  std::string rows;        // each after its filter's number, 0
  std::string extra = {};  // chunks before the pixels
  std::string after = {};  // chunks behind them
};

inline std::string png_file(const PngParts& parts) {
  std::string packed(compressBound(parts.rows.size()), '\0');
  uLongf size = packed.size();
  if (compress(reinterpret_cast<Bytef*>(packed.data()), &size,
               reinterpret_cast<const Bytef*>(parts.rows.data()), parts.rows.size()) != Z_OK)
    throw std::runtime_error("zlib cannot compress");
  packed.resize(size);
  const std::string header = big_endian_text(parts.width, 4) + big_endian_text(parts.height, 4) +
                             static_cast<char>(parts.bits) + static_cast<char>(parts.colour_type) +
                             std::string(3, '\0');
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + parts.extra + png_chunk("IDAT", packed) +
         parts.after + png_chunk("IEND", "");
}

inline std::string png_of(const Picture& picture, const std::string& extra = "",
                          const std::string& after = "") {
  constexpr std::array<std::uint32_t, 5> kTypes{0, 0, 4, 2, 6};
  const std::string values = text_of_pixels(picture);
  std::string rows;
  const auto stride = static_cast<std::size_t>(picture.width * picture.channels);
  for (std::size_t at = 0; at < values.size(); at += stride) rows += '\0' + values.substr(at, stride);
  return png_file({static_cast<std::uint32_t>(picture.width), static_cast<std::uint32_t>(picture.height), 8,
                   kTypes[static_cast<std::size_t>(picture.channels)], rows, extra, after});
}

// EXIF with nothing but an orientation.
inline std::string exif_text(int orientation, bool is_little) {
  const auto number = [&](std::uint32_t value, int bytes) {
    return is_little ? little_endian_text(value, bytes) : big_endian_text(value, bytes);
  };
  return (is_little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(1, 2) + number(0x0112, 2) +
         number(3, 2) + number(1, 4) + number(static_cast<std::uint32_t>(orientation), 2) + number(0, 2) +
         number(0, 4);
}

struct JpegOptions {
  bool progressive = false;
  J_COLOR_SPACE stored = JCS_UNKNOWN;  // JCS_UNKNOWN: libjpeg's choice
  std::string app1 = {};
};

// 1, 3, or 4 (CMYK) channels, of the best quality and not subsampled.
inline std::string jpeg_of(const Picture& picture, const JpegOptions& options = {}) {
  jpeg_compress_struct info{};
  jpeg_error_mgr errors{};
  info.err = jpeg_std_error(&errors);  // ends the test with a message
  jpeg_create_compress(&info);
  unsigned char* buffer = nullptr;
  unsigned long size = 0;
  jpeg_mem_dest(&info, &buffer, &size);
  info.image_height = static_cast<JDIMENSION>(picture.height);
  info.image_width = static_cast<JDIMENSION>(picture.width);
  info.input_components = static_cast<int>(picture.channels);
  info.in_color_space = picture.channels == 1 ? JCS_GRAYSCALE : picture.channels == 3 ? JCS_RGB : JCS_CMYK;
  jpeg_set_defaults(&info);
  if (options.stored != JCS_UNKNOWN) jpeg_set_colorspace(&info, options.stored);
  jpeg_set_quality(&info, 100, TRUE);
  for (int c = 0; c < info.num_components; ++c)
    info.comp_info[c].h_samp_factor = info.comp_info[c].v_samp_factor = 1;
  if (options.progressive) jpeg_simple_progression(&info);
  jpeg_start_compress(&info, TRUE);
  if (!options.app1.empty())
    jpeg_write_marker(&info, JPEG_APP0 + 1, reinterpret_cast<const JOCTET*>(options.app1.data()),
                      static_cast<unsigned>(options.app1.size()));
  std::string pixels = text_of_pixels(picture);
  while (info.next_scanline < info.image_height) {
    auto* row = reinterpret_cast<JSAMPROW>(pixels.data()) +
                std::int64_t{info.next_scanline} * picture.width * picture.channels;
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  std::string file(reinterpret_cast<const char*>(buffer), size);
  jpeg_destroy_compress(&info);
  std::free(buffer);
  return file;
}

// 3 or 4 channels, lossless.
inline std::string webp_of(const Picture& picture) {
  const auto* pixels = reinterpret_cast<const std::uint8_t*>(picture.pixels.data());
  const int width = static_cast<int>(picture.width), height = static_cast<int>(picture.height);
  std::uint8_t* out = nullptr;
  const std::size_t size = picture.channels == 4
                               ? WebPEncodeLosslessRGBA(pixels, width, height, width * 4, &out)
                               : WebPEncodeLosslessRGB(pixels, width, height, width * 3, &out);
  if (size == 0) throw std::runtime_error("libwebp cannot encode");
  std::string file(reinterpret_cast<const char*>(out), size);
  WebPFree(out);
  return file;
}

// An extended WebP file: the simple one's chunk after VP8X, then the others.
inline std::string extended_webp(const std::string& simple, const Picture& picture, char flags,
                                 const std::string& chunks) {
  const std::string canvas = std::string{flags, '\0', '\0', '\0'} +
                             little_endian_text(static_cast<std::uint32_t>(picture.width - 1), 3) +
                             little_endian_text(static_cast<std::uint32_t>(picture.height - 1), 3);
  const std::string body = "WEBPVP8X" + little_endian_text(10, 4) + canvas + simple.substr(12) + chunks;
  return "RIFF" + little_endian_text(static_cast<std::uint32_t>(body.size()), 4) + body;
}

struct BmpParts {
  std::int32_t width, height;  // negative: rows from the top
  std::uint32_t bits, compression = 0;
  std::string masks_or_palette = {};
  std::uint32_t used_colours = 0;
  std::string rows = {};
};

inline std::string bmp_file(const BmpParts& parts) {
  const auto put = [](auto value, int bytes) {
    return little_endian_text(static_cast<std::uint32_t>(value), bytes);
  };
  const std::string info = put(40, 4) + put(parts.width, 4) + put(parts.height, 4) + put(1, 2) +
                           put(parts.bits, 2) + put(parts.compression, 4) + std::string(12, '\0') +
                           put(parts.used_colours, 4) + put(0, 4) + parts.masks_or_palette;
  return "BM" + put(14 + info.size() + parts.rows.size(), 4) + put(0, 4) + put(14 + info.size(), 4) + info +
         parts.rows;
}

// A square of one value in every channel.
inline std::string square_png(std::int64_t side, int value) {
  const auto bytes = static_cast<std::size_t>(3 * side * side);
  return png_of({side, side, 3, std::vector<std::byte>(bytes, static_cast<std::byte>(value))});
}

}  // namespace ebb::data::testing
