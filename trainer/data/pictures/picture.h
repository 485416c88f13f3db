// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

// Pictures from the bytes of a JPEG, PNG, WebP or BMP file. The first bytes of a file decide its kind, not
// its name. All functions may be called from several threads. Nothing here needs LibTorch.
namespace ebb::data {

// A larger height, width or number of pixels is refused before memory is taken for the pixels. While it
// decodes, a picture takes up to two times its pixels; a progressive JPEG also 2 bytes for each value.
inline constexpr std::int64_t kLargestPictureSide = 1 << 15;
inline constexpr std::int64_t kMostPicturePixels = 1 << 27;  // 512 MiB with four channels

// uint8 [height, width, channels], rows from the top, without padding. Channels: 1 (grey), 3 (RGB) or 4
// (RGBA, not multiplied by alpha).
struct Picture {
  std::int64_t height = 0, width = 0, channels = 0;
  std::vector<std::byte> pixels;
};

// The contents of a file's header.
struct PictureInfo {
  std::string kind;                    // "JPEG", "PNG", "WebP" or "BMP"
  std::int64_t height = 0, width = 0;  // as shown: after the rotation that EXIF asks for
  std::int64_t channels = 0;           // 1: grey; 3: colour; 4: with alpha, also of grey
  int bits = 8;                        // a channel's bits in the file: 8 or 16 (fewer count as 8)
};

// Whether the extension is .jpg, .jpeg, .png, .webp or .bmp, in any case. Such a file may still hold
// something else.
bool has_picture_name(std::string_view name);

// Reads the header only (and looks for EXIF). `name` is for errors. Error(data) if the file is of another
// kind
// ("is a GIF picture"), if its header is damaged, or if the picture is too large, or larger than a file of
// this length can be. What follows the header is not checked.
PictureInfo picture_info(std::span<const std::byte> file, const std::string& name);

// Decodes the file to `channels` channels (1, 3 or 4) and turns it as its EXIF orientation says. The rest is
// as Pillow converts:
//   grey from colour:    (19595 R + 38470 G + 7471 B + 2^15) >> 16
//   no fourth channel:   a picture with alpha is composed over white
//   a fourth channel:    255 where the file has no alpha
//   16 bits:             round(v 255 / 65535)
//   an animated PNG:     its first picture; an animated WebP is refused
//   CMYK and YCCK:       (255 - C) (255 - K) / 255, without the file's colour profile
// Error(data) names `name` and the fault: all of picture_info's, and truncated or damaged pixels. What the
// decoder of JPEG only warns about is counted (decode_counts) and decoded. Error(internal) for other
// channels.
Picture decode_picture(std::span<const std::byte> file, std::int64_t channels, const std::string& name);

// Counts of this process since its start.
struct DecodeCounts {
  std::uint64_t pictures = 0;  // decoded
  std::uint64_t warnings = 0;  // of decoders, about pictures that were decoded
};
DecodeCounts decode_counts();

}  // namespace ebb::data
