// SPDX-License-Identifier: Apache-2.0
#include "evaluate/pyramid.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>

namespace ebb::evaluate {
namespace {

constexpr std::int64_t kSmallest = 16;  // height or width of the last level, in pixels
constexpr std::array<float, 5> kFilter = {1.0F / 16, 4.0F / 16, 6.0F / 16, 4.0F / 16, 1.0F / 16};
constexpr std::int64_t kRadius = 2;

// An output value of a line: the sum of the inputs at five places, each times its weight.
struct Taps {
  std::array<std::int64_t, 5> place{};
  std::array<float, 5> weight{};
};
using Line = std::vector<Taps>;

std::int64_t half(std::int64_t size) {
  return (size + 1) / 2;
}

std::int64_t mirrored(std::int64_t i, std::int64_t size) {
  if (i < 0) return -i;
  return i < size ? i : 2 * (size - 1) - i;
}

// The filter at every second value.
Line reduction(std::int64_t size) {
  Line line(static_cast<std::size_t>(half(size)));
  std::int64_t centre = 0;
  for (Taps& taps : line) {
    for (std::size_t t = 0; t < 5; ++t)
      taps.place[t] = mirrored(centre + static_cast<std::int64_t>(t) - kRadius, size);
    taps.weight = kFilter;
    centre += 2;
  }
  return line;
}

// Zeros between the half(size) values, then twice the filter.
Line enlargement(std::int64_t size) {
  Line line(static_cast<std::size_t>(size));
  std::int64_t centre = 0;
  for (Taps& taps : line) {
    for (std::size_t t = 0; t < 5; ++t) {
      const std::int64_t at = mirrored(centre + static_cast<std::int64_t>(t) - kRadius, size);
      if (at % 2 != 0) continue;  // a zero
      taps.place[t] = at / 2;
      taps.weight[t] = 2 * kFilter[t];
    }
    ++centre;
  }
  return line;
}

Plane empty_plane(std::size_t height, std::size_t width) {
  return {static_cast<std::int64_t>(height), static_cast<std::int64_t>(width),
          std::vector<float>(height * width)};
}

Plane filtered(const Plane& in, const Line& down, const Line& across) {
  Plane middle = empty_plane(static_cast<std::size_t>(in.height), across.size());
  float* to = middle.values.data();
  for (std::int64_t y = 0; y < in.height; ++y) {
    const float* row = in.values.data() + y * in.width;
    for (const Taps& taps : across) {
      float sum = 0;
      for (std::size_t t = 0; t < 5; ++t) sum += taps.weight[t] * row[taps.place[t]];
      *to++ = sum;
    }
  }
  Plane out = empty_plane(down.size(), across.size());
  to = out.values.data();
  for (const Taps& taps : down) {
    for (std::size_t t = 0; t < 5; ++t) {
      const float* row = middle.values.data() + taps.place[t] * middle.width;
      for (std::int64_t x = 0; x < middle.width; ++x) to[x] += taps.weight[t] * row[x];
    }
    to += middle.width;
  }
  return out;
}

Plane reduced(const Plane& in) {
  return filtered(in, reduction(in.height), reduction(in.width));
}

}  // namespace

std::int64_t pyramid_levels(std::int64_t height, std::int64_t width) {
  std::int64_t levels = 1;
  for (std::int64_t size = half(std::min(height, width)); size >= kSmallest; size = half(size)) ++levels;
  return levels;
}

std::int64_t level_size(std::int64_t size, std::int64_t level) {
  for (; level > 0; --level) size = half(size);
  return size;
}

Plane laplacian_level(const std::uint8_t* pixels, std::int64_t height, std::int64_t width,
                      std::int64_t level) {
  Plane plane{height, width, std::vector<float>(pixels, pixels + height * width)};
  for (std::int64_t done = 0; done < level; ++done) plane = reduced(plane);
  if (level + 1 == pyramid_levels(height, width)) return plane;
  const Plane coarse = filtered(reduced(plane), enlargement(plane.height), enlargement(plane.width));
  std::ranges::transform(plane.values, coarse.values, plane.values.begin(), std::minus<>());
  return plane;
}

}  // namespace ebb::evaluate
