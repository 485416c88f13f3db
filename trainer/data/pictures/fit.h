// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "data/pictures/picture.h"

namespace ebb::data {

// Resizes the picture to [size, size, C] by Pillow's antialiased bicubic filter (base/resample.h). With
// `crop`, only the largest square in its middle is used: of an odd remainder, the extra row or column is cut
// at the bottom or right. Without `crop`, the whole picture is used, so one that is not square is stretched.
// A square picture of this size is returned as it is. Colours are not weighted by alpha. Error(internal) for
// an empty picture or a size below 1.
Picture fit_picture(Picture picture, std::int64_t size, bool crop);

}  // namespace ebb::data
