// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "data/pictures/picture.h"

namespace ebb::data {

// `picture` has 1 (grey), 2 (grey and alpha), 3 or 4 channels. Converts it to 1, 3 or 4 (see decode_picture).
Picture with_channels(Picture picture, std::int64_t channels);

// Turns and mirrors a stored picture so that it appears as EXIF's orientation, 1 to 8, asks for.
Picture oriented(Picture picture, int orientation);

// Whether that swaps height and width.
constexpr bool swaps_sides(int orientation) {
  return orientation >= 5;
}

}  // namespace ebb::data
