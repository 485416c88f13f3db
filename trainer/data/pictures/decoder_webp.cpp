// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <webp/decode.h>

#include "base/error.h"
#include "data/pictures/decoder.h"
#include "data/pictures/exif.h"

namespace ebb::data {
namespace {

constexpr std::size_t kRiffHeader = 12, kRiffChunkHeader = 8;

bool is_webp(std::string_view head) {
  return head.size() >= kRiffHeader && head.starts_with("RIFF") && head.substr(8, 4) == "WEBP";
}

const std::uint8_t* webp_bytes(PictureBytes file) {
  return reinterpret_cast<const std::uint8_t*>(file.data());
}

[[noreturn]] void refuse_webp(VP8StatusCode status, PictureBytes file, const std::string& name) {
  switch (status) {
    case VP8_STATUS_OUT_OF_MEMORY:
      throw Error(ExitCode::memory, fmt::format("{}: libwebp has no memory to decode it", name));
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      refuse_truncated("WebP", file, name);
    default:
      refuse_picture(name, fmt::format("the WebP file is damaged (libwebp's status {}); fetch the file again",
                                       static_cast<int>(status)));
  }
}

int orientation_of_webp(PictureBytes file) {
  for (std::size_t at = kRiffHeader; at + kRiffChunkHeader <= file.size();) {
    const std::size_t length = little_endian(file, at + 4, 4), first = at + kRiffChunkHeader;
    if (length > file.size() - first) break;
    if (text_of(file).substr(at, 4) == "EXIF") return exif_orientation(file.subspan(first, length));
    at = first + length + length % 2;
  }
  return 1;
}

PictureHeader webp_header(PictureBytes file, const std::string& name) {
  if (kRiffChunkHeader + std::size_t{little_endian(file, 4, 4)} > file.size())
    refuse_truncated("WebP", file, name);
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(webp_bytes(file), file.size(), &features);
  if (status != VP8_STATUS_OK) refuse_webp(status, file, name);
  if (features.has_animation != 0)
    refuse_picture(name,
                   "the file is an animated WebP; ebb reads single pictures: write its frames as files");
  const PictureHeader header{features.height, features.width, features.has_alpha != 0 ? 4 : 3, 8,
                             orientation_of_webp(file)};
  check_picture_size("WebP", header, name);
  return header;
}

DecodedPicture decode_webp(PictureBytes file, const std::string& name) {
  const PictureHeader header = webp_header(file, name);
  WebPDecoderConfig config;
  if (WebPInitDecoderConfig(&config) == 0)
    throw Error(ExitCode::internal, "libwebp has another version than its headers; build ebb again");
  Picture picture = blank_picture(header);
  config.output.colorspace = header.channels == 4 ? MODE_RGBA : MODE_RGB;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {reinterpret_cast<std::uint8_t*>(picture.pixels.data()),
                          static_cast<int>(header.width * header.channels), picture.pixels.size()};
  const VP8StatusCode status = WebPDecode(webp_bytes(file), file.size(), &config);
  WebPFreeDecBuffer(&config.output);
  if (status != VP8_STATUS_OK) refuse_webp(status, file, name);
  return {std::move(picture), header.orientation, 0};
}

}  // namespace

PictureDecoder webp_decoder() {
  return {"WebP", is_webp, webp_header, decode_webp};
}

}  // namespace ebb::data
