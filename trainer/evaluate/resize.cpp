// SPDX-License-Identifier: Apache-2.0
#include "evaluate/resize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/error.h"
#include "evaluate/images.h"
#include "memory/tag.h"

namespace ebb::evaluate {
namespace {

// Weights are integers in units of 2^-22, so all processors compute the same bits. A sum of weights times
// pixels stays below 2^31: the absolute weights of the kernel add up to less than 1.5.
constexpr int kFractionBits = 22;
constexpr double kSupport = 2;  // of the kernel, in pixels of the larger image

double keys_kernel(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// One output pixel of a line: the sum of input pixels from `first` on, each times its weight.
struct Window {
  std::int64_t first;
  std::vector<std::int32_t> weights;
};

std::vector<Window> windows_of(std::int64_t from, std::int64_t to) {
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

std::uint8_t pixel_of(std::int32_t sum) {
  constexpr std::int32_t kHalf = 1 << (kFractionBits - 1);
  return static_cast<std::uint8_t>(std::clamp((sum + kHalf) >> kFractionBits, 0, 255));
}

void resize_row(const std::uint8_t* in, const std::vector<Window>& windows, std::uint8_t* out) {
  for (const Window& window : windows) {
    const std::uint8_t* pixel = in + window.first;
    std::int32_t sum = 0;
    for (const std::int32_t weight : window.weights) sum += weight * *pixel++;
    *out++ = pixel_of(sum);
  }
}

// One row of the result from the rows of `in`, which have `sums.size()` pixels.
void combine_rows(const std::uint8_t* in, const Window& window, std::vector<std::int32_t>& sums,
                  std::uint8_t* out) {
  std::ranges::fill(sums, 0);
  const std::uint8_t* pixel = in + window.first * static_cast<std::int64_t>(sums.size());
  for (const std::int32_t weight : window.weights)
    for (std::int32_t& sum : sums) sum += weight * *pixel++;
  std::ranges::transform(sums, out, pixel_of);
}

}  // namespace

at::Tensor resize_bicubic(const at::Tensor& images, std::int64_t height, std::int64_t width) {
  check_images(images, "resize_bicubic");
  if (height < 1 || width < 1)
    throw Error(ExitCode::internal, fmt::format("resize_bicubic cannot make images of {}x{}", height, width));
  const memory::Tag tag(memory::Class::workspace, "resized images");
  const at::Tensor in = images.contiguous();
  const std::int64_t in_height = in.size(2), in_width = in.size(3);
  at::Tensor out = at::empty({in.size(0), in.size(1), height, width}, at::kByte);
  const auto across = windows_of(in_width, width), down = windows_of(in_height, height);
  const auto* from = in.const_data_ptr<std::uint8_t>();
  auto* to = out.mutable_data_ptr<std::uint8_t>();
  at::parallel_for(0, in.size(0) * in.size(1), 1, [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::uint8_t> rows(static_cast<std::size_t>(in_height * width));
    std::vector<std::int32_t> sums(static_cast<std::size_t>(width));
    for (std::int64_t plane = begin; plane < end; ++plane) {
      for (std::int64_t y = 0; y < in_height; ++y)
        resize_row(from + (plane * in_height + y) * in_width, across, rows.data() + y * width);
      for (std::int64_t y = 0; y < height; ++y)
        combine_rows(rows.data(), down[static_cast<std::size_t>(y)], sums, to + (plane * height + y) * width);
    }
  });
  return out;
}

}  // namespace ebb::evaluate
