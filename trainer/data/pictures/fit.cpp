// SPDX-License-Identifier: Apache-2.0
#include "data/pictures/fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/resample.h"

namespace ebb::data {

Picture fit_picture(Picture picture, std::int64_t size, bool crop) {
  if (size < 1 || picture.height < 1 || picture.width < 1 || picture.channels < 1 || picture.channels > 4)
    throw Error(ExitCode::internal,
                fmt::format("fit_picture cannot make {0} x {0} of a picture [{1}, {2}, {3}]", size,
                            picture.height, picture.width, picture.channels));
  if (picture.height == size && picture.width == size) return picture;
  const std::int64_t square = std::min(picture.height, picture.width);
  const ImageSize used = crop ? ImageSize{square, square} : ImageSize{picture.height, picture.width};
  const std::int64_t top = (picture.height - used.height) / 2, left = (picture.width - used.width) / 2;
  const std::int64_t stride = picture.width * picture.channels;
  Picture result{size, size, picture.channels,
                 std::vector<std::byte>(static_cast<std::size_t>(size * size * picture.channels))};
  const auto* in = reinterpret_cast<const std::uint8_t*>(picture.pixels.data());
  BicubicResizer(used, {size, size}, picture.channels)
      .resize(in + top * stride + left * picture.channels, stride,
              reinterpret_cast<std::uint8_t*>(result.pixels.data()));
  return result;
}

}  // namespace ebb::data
