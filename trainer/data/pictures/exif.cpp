// SPDX-License-Identifier: Apache-2.0
#include "data/pictures/exif.h"

namespace ebb::data {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::uint32_t kOrientationTag = 0x0112, kShort = 3, kLong = 4;
constexpr std::size_t kEntryBytes = 12;

}  // namespace

int exif_orientation(PictureBytes exif) {
  constexpr int kAsStored = 1;
  if (text_of(exif).starts_with("Exif\0\0"sv)) exif = exif.subspan(6);
  const bool is_little = text_of(exif).starts_with("II*\0"sv);
  if (exif.size() < 8 || (!is_little && !text_of(exif).starts_with("MM\0*"sv))) return kAsStored;
  const auto number = [&](std::size_t at, int count) {
    return is_little ? little_endian(exif, at, count) : big_endian(exif, at, count);
  };
  const std::size_t directory = number(4, 4);
  if (directory > exif.size() - 2) return kAsStored;
  const std::size_t entries = number(directory, 2);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + i * kEntryBytes;
    if (exif.size() < kEntryBytes || at > exif.size() - kEntryBytes) return kAsStored;
    if (number(at, 2) != kOrientationTag) continue;
    const std::uint32_t type = number(at + 2, 2);
    if (type != kShort && type != kLong) return kAsStored;
    const std::uint32_t value = number(at + 8, type == kShort ? 2 : 4);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : kAsStored;
  }
  return kAsStored;
}

}  // namespace ebb::data
