// SPDX-License-Identifier: Apache-2.0
#include "data/mds/picture_column.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/printable.h"
#include "data/pictures/layout.h"
#include "data/pictures/sample.h"

namespace ebb::data {

namespace {

constexpr std::string_view kPil = "pil";
constexpr std::size_t kPilHeader = 12;  // bytes
constexpr std::size_t kLongestPilMode = 4;
constexpr std::int64_t kLargestPil =
    kPilHeader + kLongestPilMode + 4 * kMostPicturePixels;  // bytes, with four channels

std::uint32_t word(std::span<const std::byte> bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value |= std::to_integer<std::uint32_t>(bytes[at + i]) << (8 * i);
  return value;
}

[[noreturn]] void refuse(const std::string& name, const std::string& problem) {
  throw Error(ExitCode::data, fmt::format("{}: {}", name, problem));
}

// The pixels of a value. Modes with a palette, fewer bits or more than eight bits have another layout.
Picture pil_picture(std::span<const std::byte> value, const std::string& name) {
  if (value.size() < kPilHeader)
    refuse(name, fmt::format("a pil picture starts with 12 bytes, and this has {}", value.size()));
  const std::int64_t width = word(value, 0), height = word(value, 4), mode_bytes = word(value, 8);
  const auto rest = value.subspan(kPilHeader);
  if (mode_bytes > std::ssize(rest))
    refuse(name,
           fmt::format("the mode of the pil picture has {} bytes, and {} are left", mode_bytes, rest.size()));
  const std::string mode(reinterpret_cast<const char*>(rest.data()), static_cast<std::size_t>(mode_bytes));
  const std::int64_t channels = mode == "L"      ? 1
                                : mode == "LA"   ? 2
                                : mode == "RGB"  ? 3
                                : mode == "RGBA" ? 4
                                                 : 0;
  if (channels == 0)
    refuse(name, fmt::format("the pil picture has the mode '{}', and L, LA, RGB and RGBA are read: convert "
                             "the pictures before they are written",
                             printable(mode.substr(0, 16))));
  if (width < 1 || height < 1 || width > kLargestPictureSide || height > kLargestPictureSide ||
      width * height > kMostPicturePixels)
    refuse(name, fmt::format("the pil picture has {} x {} pixels (width x height); at most {} a side and {} "
                             "altogether are read",
                             width, height, kLargestPictureSide, kMostPicturePixels));
  const auto pixels = rest.subspan(mode.size());
  if (std::ssize(pixels) != width * height * channels)
    refuse(name, fmt::format("{} x {} pixels of mode {} take {} bytes, and the pil picture has {}", width,
                             height, mode, width * height * channels, pixels.size()));
  return {height, width, channels, {pixels.begin(), pixels.end()}};
}

std::string name_of(const MdsShard& shard, std::int64_t sample) {
  return fmt::format("{}: the picture of sample {}", shard.path(), sample);
}

}  // namespace

bool is_picture_column(const MdsColumn& column) {
  const std::string_view encoding = column.encoding;
  return column.name == core::kImageField &&
         (encoding == "jpeg" || encoding.starts_with("jpeg:") || encoding == "png" || encoding == kPil);
}

MdsPictures::MdsPictures(const MdsIndex& index, std::size_t column, PictureConfig settings)
    : index_(&index),
      column_(column),
      settings_(std::move(settings)),
      is_pil_(index.columns[column].encoding == kPil) {}

std::vector<std::byte> MdsPictures::value(const MdsShard& shard, std::int64_t sample,
                                          const std::string& name) const {
  const auto extent = shard.find(sample, column_);
  if (const std::int64_t most = is_pil_ ? kLargestPil : kLargestPictureFile; extent.bytes > most)
    refuse_large_picture(extent.bytes, name, most);
  std::vector<std::byte> bytes(static_cast<std::size_t>(extent.bytes));
  shard.read_at(extent.begin, bytes);
  return bytes;
}

core::FieldSpec MdsPictures::field(const std::function<const MdsShard&()>& first) const {
  return picture_field(settings_, [&]() -> PictureInfo {
    const MdsShard& shard = first();
    const std::string name = name_of(shard, 0);
    const std::vector<std::byte> bytes = value(shard, 0, name);
    if (!is_pil_) return picture_info(bytes, name);
    const Picture picture = pil_picture(bytes, name);
    return {std::string(kPil), picture.height, picture.width, picture.channels};
  });
}

Picture MdsPictures::decode(const MdsShard& shard, std::int64_t sample, const std::string& name) const {
  const std::vector<std::byte> bytes = value(shard, sample, name);
  if (!is_pil_) return decode_picture(bytes, settings_.channels, name);
  return with_channels(pil_picture(bytes, name), settings_.channels);
}

Picture MdsPictures::decode(const MdsShard& shard, std::int64_t sample) const {
  return decode(shard, sample, name_of(shard, sample));
}

void MdsPictures::read(const MdsShard& shard, std::int64_t sample, const core::FieldSpec& field,
                       std::span<std::byte> out) const {
  const std::string name = name_of(shard, sample);
  write_picture(
      decode(shard, sample, name), name, settings_, field,
      [this] { return fmt::format("the first picture of {}", index_->folder.string()); }, out);
}

}  // namespace ebb::data
