// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <vector>

namespace ebb::evaluate {

// One channel of an image: [height, width] in row-major order.
struct Plane {
  std::int64_t height = 0, width = 0;
  std::vector<float> values;
};

// Each level of a pyramid has half the height and width of the level before it. Half of an odd size is
// rounded up. There is a next level if its height and width are at least 16. A 28 x 28 image has one level, a
// 31 x 31 image has levels of 31 and 16, and a 128 x 128 image has levels of 128, 64, 32 and 16.
std::int64_t pyramid_levels(std::int64_t height, std::int64_t width);

// Returns the height or width of level `level` (0: the image itself) of an image of this height or width.
std::int64_t level_size(std::int64_t size, std::int64_t level);

// Returns level `level` of the Laplacian pyramid of a uint8 channel [height, width] (Burt and Adelson, "The
// Laplacian pyramid as a compact image code", 1983). The filter is [1 4 6 4 1] / 16 in both directions. It
// reads pixels beyond a border as the mirror image at the outermost pixel. A level is the blurred and halved
// image, minus its next level enlarged again; the last level is not reduced. `level` < pyramid_levels.
Plane laplacian_level(const std::uint8_t* pixels, std::int64_t height, std::int64_t width,
                      std::int64_t level);

}  // namespace ebb::evaluate
