// SPDX-License-Identifier: Apache-2.0
#include "data/pictures/decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/lfs_pointer.h"
#include "base/units.h"

namespace ebb::data {
namespace {

using std::string_view_literals::operator""sv;

struct OtherKind {
  std::size_t offset;
  std::string_view magic;
  const char* what;
};
// The longest magic numbers of an offset come first.
constexpr std::array kOtherKinds{
    OtherKind{0, "GIF87a"sv, "a GIF picture"},
    OtherKind{0, "GIF89a"sv, "a GIF picture"},
    OtherKind{0, "II*\0"sv, "a TIFF picture"},
    OtherKind{0, "MM\0*"sv, "a TIFF picture"},
    OtherKind{0, "II+\0"sv, "a TIFF picture"},
    OtherKind{0, "MM\0+"sv, "a TIFF picture"},
    OtherKind{4, "ftypavif"sv, "an AVIF picture"},
    OtherKind{4, "ftypavis"sv, "an AVIF picture"},
    OtherKind{4, "ftyphe"sv, "a HEIC picture"},
    OtherKind{4, "ftypmif1"sv, "a HEIC or AVIF picture"},
    OtherKind{4, "ftypmsf1"sv, "a HEIC or AVIF picture"},
    OtherKind{4, "ftyp"sv, "a video"},
    OtherKind{0, "\xff\x0a"sv, "a JPEG XL picture"},
    OtherKind{4, "JXL \r\n\x87\n"sv, "a JPEG XL picture"},
    OtherKind{4, "jP  \r\n\x87\n"sv, "a JPEG 2000 picture"},
    OtherKind{0, "\xff\x4f\xff\x51"sv, "a JPEG 2000 picture"},
    OtherKind{0, "8BPS"sv, "a Photoshop document"},
    OtherKind{0, "%PDF-"sv, "a PDF document"},
    OtherKind{0, "\0\0\1\0"sv, "an icon (ICO)"},
    OtherKind{0, "RIFF"sv, "a RIFF file, but no WebP picture"},
    OtherKind{0, "PK\3\4"sv, "a ZIP archive"},
};

// Texts that begin with a tag, in lower case.
const char* kind_of_markup(std::string_view head) {
  const std::size_t first = head.find_first_not_of(" \t\r\n\xef\xbb\xbf");
  if (first == std::string_view::npos || head[first] != '<') return nullptr;
  std::string text(head.substr(first, 1024));
  std::ranges::transform(text, text.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c + 32 : c; });
  if (text.find("<svg") != std::string::npos) return "an SVG drawing";
  if (text.starts_with("<!doctype html") || text.starts_with("<html"))
    return "an HTML page, as servers send in place of a file";
  return nullptr;
}

std::string first_bytes(PictureBytes file) {
  std::string text;
  for (const std::byte byte : file.first(std::min<std::size_t>(file.size(), 4)))
    text += fmt::format(" {:02x}", std::to_integer<int>(byte));
  return text;
}

}  // namespace

void refuse_picture(const std::string& name, const std::string& problem) {
  throw Error(ExitCode::data, fmt::format("{}: {}", name, problem));
}

void refuse_truncated(const char* kind, PictureBytes file, const std::string& name) {
  refuse_picture(name, fmt::format("the {} file is truncated: its {} bytes end before the picture does; "
                                   "fetch the file again",
                                   kind, file.size()));
}

PictureDecoder decoder_of(PictureBytes file, const std::string& name) {
  constexpr const char* kRead = "ebb reads JPEG, PNG, WebP and BMP";
  if (file.empty()) refuse_picture(name, "the file is empty, so it is no picture");
  const std::string_view head = text_of(file);
  for (const PictureDecoder& decoder : {jpeg_decoder(), png_decoder(), webp_decoder(), bmp_decoder()})
    if (decoder.recognizes(head)) return decoder;
  refuse_lfs_pointer(name, head, ExitCode::data);
  const char* what = kind_of_markup(head);
  for (const OtherKind& kind : kOtherKinds)
    if (what == nullptr && head.size() > kind.offset && head.substr(kind.offset).starts_with(kind.magic))
      what = kind.what;
  if (what != nullptr) refuse_picture(name, fmt::format("the file is {}; {}: convert it first", what, kRead));
  refuse_picture(name, fmt::format("the file is no picture that ebb knows: it begins with{}; {}",
                                   first_bytes(file), kRead));
}

void check_picture_size(const char* kind, const PictureHeader& header, const std::string& name) {
  if (header.height < 1 || header.width < 1)
    refuse_picture(name, fmt::format("the header of the {} file gives a picture of {} x {} pixels (width x "
                                     "height), which is empty; the file is damaged",
                                     kind, header.width, header.height));
  if (header.height > kLargestPictureSide || header.width > kLargestPictureSide ||
      header.height * header.width > kMostPicturePixels)
    refuse_picture(name,
                   fmt::format("the {} picture has {} x {} pixels (width x height); allowed are {} on a side "
                               "and {} in all: make it smaller first",
                               kind, header.width, header.height, kLargestPictureSide, kMostPicturePixels));
}

void check_picture_fits(const char* kind, const PictureHeader& header, std::int64_t stored_bytes,
                        std::int64_t most_ratio, PictureBytes file, const std::string& name) {
  const auto size = static_cast<std::int64_t>(file.size());
  if (stored_bytes / most_ratio <= size) return;
  refuse_picture(name,
                 fmt::format("the header of the {} file gives {} x {} pixels (width x height), which need "
                             "at least {} in the file, but it has {}: it is truncated or damaged",
                             kind, header.width, header.height, format_bytes(stored_bytes / most_ratio),
                             format_bytes(size)));
}

Picture blank_picture(const PictureHeader& header) {
  return {header.height, header.width, header.channels,
          std::vector<std::byte>(static_cast<std::size_t>(header.height * header.width * header.channels))};
}

}  // namespace ebb::data
