// SPDX-License-Identifier: Apache-2.0
#include "data/pictures/layout.h"

#include <algorithm>
#include <array>
#include <utility>

namespace ebb::data {
namespace {

constexpr std::uint32_t kOpaque = 255;

std::byte byte_of(std::uint32_t value) {
  return static_cast<std::byte>(value);
}

// round(value / 255), for values up to 255 * 255.
constexpr std::uint32_t divide_by_255(std::uint32_t value) {
  value += 128;
  return (value + (value >> 8)) >> 8;
}

constexpr std::uint32_t over_white(std::uint32_t colour, std::uint32_t alpha) {
  return divide_by_255(colour * alpha + kOpaque * (kOpaque - alpha));
}

template <std::size_t kFrom, std::size_t kTo>
void convert(const std::byte* in, std::byte* out, std::size_t pixels) {
  constexpr bool kHasAlpha = kFrom == 2 || kFrom == 4, kIsGrey = kFrom <= 2;
  for (std::size_t i = 0; i < pixels; ++i) {
    std::array<std::uint32_t, 3> colours{};
    for (std::size_t c = 0; c < 3; ++c) colours[c] = std::to_integer<std::uint32_t>(in[kIsGrey ? 0 : c]);
    const std::uint32_t alpha = kHasAlpha ? std::to_integer<std::uint32_t>(in[kFrom - 1]) : kOpaque;
    in += kFrom;
    if constexpr (kHasAlpha && kTo != 4)
      for (std::uint32_t& colour : colours) colour = over_white(colour, alpha);
    if constexpr (kTo == 1) {
      *out++ = byte_of((19595 * colours[0] + 38470 * colours[1] + 7471 * colours[2] + (1U << 15)) >> 16);
    } else {
      for (const std::uint32_t colour : colours) *out++ = byte_of(colour);
      if constexpr (kTo == 4) *out++ = byte_of(alpha);
    }
  }
}

template <std::size_t kFrom>
auto converter_to(std::int64_t channels) {
  return channels == 1 ? convert<kFrom, 1> : channels == 3 ? convert<kFrom, 3> : convert<kFrom, 4>;
}

auto converter(std::int64_t from, std::int64_t to) {
  switch (from) {
    case 1:
      return converter_to<1>(to);
    case 2:
      return converter_to<2>(to);
    case 3:
      return converter_to<3>(to);
    default:
      return converter_to<4>(to);
  }
}

// Where the pixels of a stored picture go.
struct Steps {
  std::int64_t first, right, down;  // in pixels of the result, from the stored top left pixel on
};

Steps steps_of(int orientation, std::int64_t height, std::int64_t width) {
  const std::int64_t last = height * width - 1, row = width - 1, column = (width - 1) * height;
  switch (orientation) {
    case 2:
      return {row, -1, width};
    case 3:
      return {last, -1, -width};
    case 4:
      return {last - row, 1, -width};
    case 5:
      return {0, height, 1};
    case 6:
      return {height - 1, height, -1};
    case 7:
      return {last, -height, -1};
    case 8:
      return {column, -height, 1};
    default:
      return {0, 1, width};
  }
}

template <std::size_t kChannels>
void move_pixels(const Picture& from, const Steps& steps, std::byte* out) {
  constexpr auto kStep = static_cast<std::int64_t>(kChannels);
  const std::byte* in = from.pixels.data();
  for (std::int64_t y = 0; y < from.height; ++y) {
    std::int64_t to = steps.first + y * steps.down;
    for (std::int64_t x = 0; x < from.width; ++x) {
      std::copy_n(in, kChannels, out + to * kStep);
      in += kStep;
      to += steps.right;
    }
  }
}

}  // namespace

Picture with_channels(Picture picture, std::int64_t channels) {
  if (picture.channels == channels) return picture;
  const auto pixels = static_cast<std::size_t>(picture.height * picture.width);
  std::vector<std::byte> converted(pixels * static_cast<std::size_t>(channels));
  converter(picture.channels, channels)(picture.pixels.data(), converted.data(), pixels);
  picture.pixels = std::move(converted);
  picture.channels = channels;
  return picture;
}

Picture oriented(Picture picture, int orientation) {
  if (orientation == 1) return picture;
  Picture turned{picture.height, picture.width, picture.channels,
                 std::vector<std::byte>(picture.pixels.size())};
  if (swaps_sides(orientation)) std::swap(turned.height, turned.width);
  const Steps steps = steps_of(orientation, picture.height, picture.width);
  const auto move = picture.channels == 1   ? move_pixels<1>
                    : picture.channels == 3 ? move_pixels<3>
                                            : move_pixels<4>;
  move(picture, steps, turned.pixels.data());
  return turned;
}

}  // namespace ebb::data
