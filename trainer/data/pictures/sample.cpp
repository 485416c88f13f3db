// SPDX-License-Identifier: Apache-2.0
#include "data/pictures/sample.h"

#include <fmt/format.h>

#include <utility>

#include "base/error.h"
#include "base/units.h"
#include "data/channels.h"
#include "data/pictures/fit.h"

namespace ebb::data {

void refuse_large_picture(std::int64_t bytes, const std::string& name, std::int64_t most) {
  throw Error(ExitCode::data, fmt::format("{} has {}, and pictures of at most {} are read", name,
                                          format_bytes(bytes), format_bytes(most)));
}

core::FieldSpec picture_field(const PictureConfig& settings, const std::function<PictureInfo()>& first) {
  if (settings.size) return core::image_field(settings.channels, *settings.size, *settings.size);
  const PictureInfo info = first();
  return core::image_field(settings.channels, info.height, info.width);
}

void read_picture(std::span<const std::byte> file, const std::string& name, const PictureConfig& settings,
                  const core::FieldSpec& field, const std::function<std::string()>& first,
                  std::span<std::byte> out) {
  write_picture(decode_picture(file, settings.channels, name), name, settings, field, first, out);
}

void write_picture(Picture decoded, const std::string& name, const PictureConfig& settings,
                   const core::FieldSpec& field, const std::function<std::string()>& first,
                   std::span<std::byte> out) {
  if (settings.size) decoded = fit_picture(std::move(decoded), *settings.size, settings.crop);
  if (decoded.height != field.dims[1] || decoded.width != field.dims[2])
    throw Error(ExitCode::data,
                fmt::format("{} has {} x {} pixels (width x height), but {} has {} x {}: set data.size "
                            "(in `ebb data pack`: --size), and every picture is scaled to it",
                            name, decoded.width, decoded.height, first(), field.dims[2], field.dims[1]));
  split_channels(decoded.pixels, static_cast<std::size_t>(settings.channels), out);
}

void PictureFaults::check(const std::function<void()>& decode) {
  constexpr std::int64_t kShown = 10;
  ++checked_;
  try {
    decode();
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    if (damaged_ < kShown) shown_ += fmt::format("\n  {}", error.what());
    if (damaged_ == kShown) shown_ += "\n  and more";
    ++damaged_;
  }
}

void PictureFaults::require_none(const std::string& source, const std::string& noun,
                                 const std::string& advice) const {
  if (damaged_ == 0) return;
  throw Error(ExitCode::data,
              fmt::format("{} of the {} {}s of {} {} damaged{}:{}", damaged_, checked_, noun, source,
                          damaged_ == 1 ? "is" : "are",
                          advice.empty() ? "" : fmt::format("; {} {}", advice, damaged_ == 1 ? "it" : "them"),
                          shown_));
}

}  // namespace ebb::data
