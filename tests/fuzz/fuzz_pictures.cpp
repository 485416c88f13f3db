// SPDX-License-Identifier: Apache-2.0
// Files of pictures: the header alone, then all of it. Each kind is recognized by its first bytes.
#include "data/pictures/fit.h"
#include "data/pictures/picture.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  const std::span<const std::byte> file{reinterpret_cast<const std::byte*>(data), size};
  fuzz::refused_or_read(ExitCode::data, [&] {
    const data::PictureInfo info = data::picture_info(file, "picture");
    fuzz::require(info.height >= 1 && info.height <= data::kLargestPictureSide && info.width >= 1 &&
                  info.width <= data::kLargestPictureSide &&
                  info.height * info.width <= data::kMostPicturePixels);
    if (info.height * info.width > 1 << 18) return;  // allowed, and slow with sanitizers
    for (const std::int64_t channels : {1, 3, 4}) {
      const data::Picture picture = data::decode_picture(file, channels, "picture");
      fuzz::require(picture.height == info.height && picture.width == info.width &&
                    picture.channels == channels);
      fuzz::require(static_cast<std::int64_t>(picture.pixels.size()) == info.height * info.width * channels);
      fuzz::require(data::fit_picture(picture, 5, channels == 1).pixels.size() ==
                    static_cast<std::size_t>(25 * channels));
    }
  });
  return 0;
}
