// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include "data/pictures/decoder.h"

// Windows bitmaps: a header of the file (14 bytes), one of the picture that begins with its own length, masks
// or a palette, and rows of a multiple of 4 bytes.
namespace ebb::data {
namespace {

constexpr std::size_t kFileHeader = 14;
constexpr std::uint32_t kCoreHeader = 12,
                        kInfoHeader = 40;  // lengths of the header; the latter may be longer
constexpr std::uint32_t kPlain = 0, kMasked = 3, kMaskedWithAlpha = 6;  // kinds of compression

using Rgba = std::array<std::byte, 4>;

struct BmpLayout {
  PictureHeader header;
  bool is_top_down = false;
  std::uint32_t bits = 0;  // of a pixel
  std::int64_t stride = 0;
  std::size_t first_row = 0;             // offset in the file
  std::array<std::uint32_t, 4> masks{};  // of red, green, blue and alpha; for 16 and 32 bits
  std::vector<Rgba> palette;             // for fewer bits
};

const char* name_of_compression(std::uint32_t compression) {
  switch (compression) {
    case 1:
      return "RLE8";
    case 2:
      return "RLE4";
    case 4:
      return "an embedded JPEG";
    case 5:
      return "an embedded PNG";
    default:
      return "an unknown method";
  }
}

[[noreturn]] void refuse_bmp(const std::string& name, const std::string& fault) {
  refuse_picture(name, fmt::format("the BMP file is damaged: {}; fetch the file again", fault));
}

// Reads colour masks at `at`, and returns the number of bytes that they take there.
std::size_t read_masks(PictureBytes file, std::size_t at, std::uint32_t header_bytes,
                       std::uint32_t compression, BmpLayout& layout, const std::string& name) {
  if (compression == kPlain) {
    layout.masks = layout.bits == 16 ? std::array<std::uint32_t, 4>{0x7c00, 0x3e0, 0x1f, 0}
                                     : std::array<std::uint32_t, 4>{0xff0000, 0xff00, 0xff, 0};
    return 0;
  }
  const bool has_alpha = compression == kMaskedWithAlpha || header_bytes >= kInfoHeader + 16;
  const std::size_t count = has_alpha ? 4 : 3;
  if (file.size() < at + 4 * count) refuse_truncated("BMP", file, name);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint32_t& mask = layout.masks[i] = little_endian(file, at + 4 * i, 4);
    const std::uint32_t run = mask == 0 ? 0 : mask >> std::countr_zero(mask);
    if ((run & (run + 1)) != 0 || (mask == 0 && i < 3) || (layout.bits == 16 && mask > 0xffff))
      refuse_bmp(name, fmt::format("0x{:08x} is no mask of a colour in {} bits", mask, layout.bits));
  }
  return header_bytes == kInfoHeader ? 4 * count : 0;  // longer headers contain them
}

void read_palette(PictureBytes file, std::size_t at, std::size_t entry_bytes, std::uint32_t used,
                  BmpLayout& layout, const std::string& name) {
  const std::uint32_t most = 1U << layout.bits, entries = used == 0 ? most : used;
  if (entries > most)
    refuse_bmp(name, fmt::format("a palette of {} colours for {} bits", entries, layout.bits));
  if (file.size() < at + entries * entry_bytes) refuse_truncated("BMP", file, name);
  for (std::size_t i = 0; i < entries; ++i) {
    const PictureBytes blue_first = file.subspan(at + i * entry_bytes, 3);
    layout.palette.push_back({blue_first[2], blue_first[1], blue_first[0], std::byte{255}});
  }
  const bool is_grey =
      std::ranges::all_of(layout.palette, [](const Rgba& c) { return c[0] == c[1] && c[1] == c[2]; });
  layout.header.channels = is_grey ? 1 : 3;
}

BmpLayout bmp_layout(PictureBytes file, const std::string& name) {
  if (file.size() < kFileHeader + kCoreHeader) refuse_truncated("BMP", file, name);
  BmpLayout layout;
  const auto number = [&](std::size_t at, int count) { return little_endian(file, kFileHeader + at, count); };
  const std::uint32_t length = number(0, 4), is_core = length == kCoreHeader;
  if (!is_core && (length < kInfoHeader || length > 1024))
    refuse_bmp(name, fmt::format("its second header has {} bytes", length));
  if (file.size() < kFileHeader + length) refuse_truncated("BMP", file, name);
  const auto height = is_core ? static_cast<std::int64_t>(number(6, 2))
                              : std::int64_t{static_cast<std::int32_t>(number(8, 4))};
  layout.is_top_down = height < 0;
  layout.header.height = layout.is_top_down ? -height : height;
  layout.header.width = is_core ? static_cast<std::int64_t>(number(4, 2))
                                : std::int64_t{static_cast<std::int32_t>(number(4, 4))};
  check_picture_size("BMP", layout.header, name);
  layout.bits = number(is_core ? 10 : 14, 2);
  const std::uint32_t compression = is_core ? kPlain : number(16, 4);
  const bool has_masks = layout.bits == 16 || layout.bits == 32;
  if (compression != kPlain && !(has_masks && (compression == kMasked || compression == kMaskedWithAlpha)))
    refuse_picture(name,
                   fmt::format("the BMP file is packed by {} (compression {}), which ebb does not read: "
                               "save it without compression, or as PNG",
                               name_of_compression(compression), compression));
  std::size_t at = kFileHeader + length;
  layout.header.channels = 3;
  if (has_masks) {
    at += read_masks(file, kFileHeader + kInfoHeader, length, compression, layout, name);
    layout.header.channels = layout.masks[3] != 0 ? 4 : 3;
  } else if (layout.bits == 1 || layout.bits == 4 || layout.bits == 8) {
    const std::size_t entry_bytes = is_core ? 3 : 4;
    read_palette(file, at, entry_bytes, is_core ? 0 : number(32, 4), layout, name);
    at += layout.palette.size() * entry_bytes;
  } else if (layout.bits != 24) {
    refuse_bmp(name, fmt::format("{} bits for a pixel; allowed are 1, 4, 8, 16, 24 and 32", layout.bits));
  }
  layout.first_row = little_endian(file, 10, 4);
  if (layout.first_row < at)
    refuse_bmp(name, fmt::format("its pixels begin at byte {}, before the end of its headers at byte {}",
                                 layout.first_row, at));
  layout.stride = (layout.header.width * layout.bits + 31) / 32 * 4;
  if (static_cast<std::int64_t>(file.size()) <
      static_cast<std::int64_t>(layout.first_row) + layout.header.height * layout.stride)
    refuse_truncated("BMP", file, name);
  return layout;
}

std::byte masked(std::uint32_t value, std::uint32_t mask) {
  const std::uint32_t most = mask >> std::countr_zero(mask);
  const std::uint64_t part = (value & mask) >> std::countr_zero(mask);
  return static_cast<std::byte>((part * 510 + most) / (std::uint64_t{2} * most));
}

Rgba bmp_pixel(PictureBytes row, std::size_t x, const BmpLayout& layout, const std::string& name) {
  if (layout.bits == 24) return {row[3 * x + 2], row[3 * x + 1], row[3 * x], std::byte{255}};
  if (layout.palette.empty()) {
    const std::size_t bytes = layout.bits / 8;
    const std::uint32_t value = little_endian(row, x * bytes, static_cast<int>(bytes));
    Rgba pixel{};
    for (std::size_t c = 0; c < static_cast<std::size_t>(layout.header.channels); ++c)
      pixel[c] = masked(value, layout.masks[c]);
    return pixel;
  }
  const std::size_t bit = x * layout.bits;
  const std::uint32_t byte = std::to_integer<std::uint32_t>(row[bit / 8]);
  const std::uint32_t index = byte >> (8 - layout.bits - bit % 8) & ((1U << layout.bits) - 1);
  if (index >= layout.palette.size())
    refuse_bmp(name,
               fmt::format("a pixel has the colour {} of a palette of {}", index, layout.palette.size()));
  return layout.palette[index];
}

bool is_bmp(std::string_view head) {
  return head.starts_with("BM");
}

PictureHeader bmp_header(PictureBytes file, const std::string& name) {
  return bmp_layout(file, name).header;
}

DecodedPicture decode_bmp(PictureBytes file, const std::string& name) {
  const BmpLayout layout = bmp_layout(file, name);
  Picture picture = blank_picture(layout.header);
  const auto stride = static_cast<std::size_t>(layout.stride);
  auto out = picture.pixels.begin();
  for (std::int64_t y = 0; y < picture.height; ++y) {
    const auto stored = static_cast<std::size_t>(layout.is_top_down ? y : picture.height - 1 - y);
    const PictureBytes row = file.subspan(layout.first_row + stored * stride, stride);
    for (std::size_t x = 0; x < static_cast<std::size_t>(picture.width); ++x)
      out = std::copy_n(bmp_pixel(row, x, layout, name).begin(), picture.channels, out);
  }
  return {std::move(picture), 1, 0};
}

}  // namespace

PictureDecoder bmp_decoder() {
  return {"BMP", is_bmp, bmp_header, decode_bmp};
}

}  // namespace ebb::data
