// SPDX-License-Identifier: Apache-2.0
#include "base/resample.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <utility>

namespace ebb {
namespace {

// Weights are in units of 2^-22. A sum of weights times pixels stays below 2^31: the absolute weights of the
// kernel add up to less than 1.5.
constexpr int kFractionBits = 22;
constexpr double kSupport = 2;  // of the kernel, in pixels of the larger image

double keys_kernel(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

std::uint8_t pixel_of(std::int32_t sum) {
  constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);
  return static_cast<std::uint8_t>(std::clamp((sum + kHalf) >> kFractionBits, 0, 255));
}

}  // namespace

std::vector<BicubicResizer::Window> BicubicResizer::windows_of(std::int64_t from, std::int64_t to) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  const double stretch = std::max(scale, 1.0), support = kSupport * stretch;
  std::vector<Window> windows;
  for (std::int64_t i = 0; i < to; ++i) {
    const double centre = (static_cast<double>(i) + 0.5) * scale;
    const auto first = std::max<std::int64_t>(0, static_cast<std::int64_t>(centre - support + 0.5));
    const auto end = std::min(from, static_cast<std::int64_t>(centre + support + 0.5));
    std::vector<double> values;
    double sum = 0;
    for (std::int64_t j = first; j < end; ++j) {
      values.push_back(keys_kernel((static_cast<double>(j) + 0.5 - centre) / stretch));
      sum += values.back();
    }
    Window window{first, {}};
    for (const double value : values)
      window.weights.push_back(
          static_cast<std::int32_t>(std::lround(std::ldexp(value / sum, kFractionBits))));
    windows.push_back(std::move(window));
  }
  return windows;
}

BicubicResizer::BicubicResizer(ImageSize from, ImageSize to, std::int64_t channels)
    : from_(from),
      to_(to),
      channels_(channels),
      across_(windows_of(from.width, to.width)),
      down_(windows_of(from.height, to.height)) {}

template <int kChannels>
void BicubicResizer::resize_row(const std::uint8_t* in, std::uint8_t* out) const {
  for (const Window& window : across_) {
    const std::uint8_t* pixel = in + window.first * kChannels;
    std::array<std::int32_t, kChannels> sums{};
    for (const std::int32_t weight : window.weights)
      for (std::int32_t& sum : sums) sum += weight * *pixel++;
    for (const std::int32_t sum : sums) *out++ = pixel_of(sum);
  }
}

void BicubicResizer::resize(const std::uint8_t* in, std::int64_t stride, std::uint8_t* out) const {
  const std::int64_t values = to_.width * channels_;  // of a row of the result
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(from_.height * values));
  constexpr std::array kRows{&BicubicResizer::resize_row<1>, &BicubicResizer::resize_row<2>,
                             &BicubicResizer::resize_row<3>, &BicubicResizer::resize_row<4>};
  const auto row_of_channels = kRows[static_cast<std::size_t>(channels_ - 1)];
  for (std::int64_t y = 0; y < from_.height; ++y)
    (this->*row_of_channels)(in + y * stride, rows.data() + y * values);
  std::vector<std::int32_t> sums(static_cast<std::size_t>(values));
  for (const Window& window : down_) {
    std::ranges::fill(sums, 0);
    const std::uint8_t* pixel = rows.data() + window.first * values;
    for (const std::int32_t weight : window.weights)
      for (std::int32_t& sum : sums) sum += weight * *pixel++;
    out = std::ranges::transform(sums, out, pixel_of).out;
  }
}

}  // namespace ebb
