// SPDX-License-Identifier: Apache-2.0
#include "data/pictures/picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "base/error.h"
#include "data/pictures/decoder.h"
#include "data/pictures/layout.h"

namespace ebb::data {
namespace {

std::atomic<std::uint64_t> the_pictures{0};
std::atomic<std::uint64_t> the_warnings{0};

bool ends_in_any_case(std::string_view text, std::string_view lower_ending) {
  if (text.size() < lower_ending.size()) return false;
  return std::ranges::equal(text.substr(text.size() - lower_ending.size()), lower_ending,
                            [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + 32 : a) == b; });
}

}  // namespace

bool has_picture_name(std::string_view name) {
  constexpr std::array<std::string_view, 5> kEndings{".jpg", ".jpeg", ".png", ".webp", ".bmp"};
  return std::ranges::any_of(kEndings, [&](auto ending) { return ends_in_any_case(name, ending); });
}

PictureInfo picture_info(std::span<const std::byte> file, const std::string& name) {
  const PictureDecoder decoder = decoder_of(file, name);
  PictureHeader header = decoder.header(file, name);
  if (swaps_sides(header.orientation)) std::swap(header.height, header.width);
  return {decoder.kind, header.height, header.width, header.channels == 2 ? 4 : header.channels, header.bits};
}

Picture decode_picture(std::span<const std::byte> file, std::int64_t channels, const std::string& name) {
  if (channels != 1 && channels != 3 && channels != 4)
    throw Error(
        ExitCode::internal,
        fmt::format("{}: a picture cannot be decoded to {} channels, only to 1, 3 or 4", name, channels));
  DecodedPicture decoded = decoder_of(file, name).decode(file, name);
  the_pictures.fetch_add(1, std::memory_order_relaxed);
  the_warnings.fetch_add(decoded.warnings, std::memory_order_relaxed);
  return oriented(with_channels(std::move(decoded.picture), channels), decoded.orientation);
}

DecodeCounts decode_counts() {
  return {the_pictures.load(std::memory_order_relaxed), the_warnings.load(std::memory_order_relaxed)};
}

}  // namespace ebb::data
