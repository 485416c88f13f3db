// SPDX-License-Identifier: Apache-2.0
#include "evaluate/sliced_wasserstein.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "base/error.h"
#include "evaluate/draws.h"
#include "evaluate/images.h"
#include "evaluate/pyramid.h"
#include "evaluate/radix_sort.h"
#include "memory/tag.h"

namespace ebb::evaluate {
namespace {

constexpr std::int64_t kPatch = 7;  // height and width, in pixels
constexpr std::int64_t kPatchPixels = kPatch * kPatch;
constexpr std::int64_t kMostPatches = 128;  // of an image
constexpr std::int64_t kDirections = 512;
constexpr std::int64_t kDirectionsAtOnce = 16;                // bounds the memory of projections
constexpr std::int64_t kMostBytes = std::int64_t{256} << 20;  // of the descriptors of a set

// The number of descriptors of a set that fit into kMostBytes.
std::int64_t most_descriptors(std::int64_t channels) {
  return kMostBytes / (channels * kPatchPixels * static_cast<std::int64_t>(sizeof(float)));
}

// [N * patches, C * 49]: patches of level `level`, each [C, 7, 7].
at::Tensor descriptors_of(const at::Tensor& images, std::int64_t level, std::int64_t patches) {
  const std::int64_t channels = images.size(1), height = images.size(2), width = images.size(3);
  const std::int64_t rows = level_size(height, level) - kPatch + 1,
                     columns = level_size(width, level) - kPatch + 1;
  at::Tensor out =
      at::empty({images.size(0) * patches, channels * kPatchPixels}, images.options().dtype(at::kFloat));
  if (out.is_meta()) return out;
  const auto* pixels = images.const_data_ptr<std::uint8_t>();
  float* const first = out.mutable_data_ptr<float>();
  at::parallel_for(0, images.size(0), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t image = begin; image < end; ++image)
      for (std::int64_t channel = 0; channel < channels; ++channel) {
        const Plane plane =
            laplacian_level(pixels + (image * channels + channel) * height * width, height, width, level);
        for (std::int64_t patch = image * patches; patch < (image + 1) * patches; ++patch) {
          const auto bits = bits_of(Choice::patches, static_cast<std::uint64_t>(patch), 0);
          const std::int64_t y = below(bits[0], rows), x = below(bits[1], columns);
          float* to = first + (patch * channels + channel) * kPatchPixels;
          for (std::int64_t row = y; row < y + kPatch; ++row)
            to = std::copy_n(plane.values.data() + row * plane.width + x, kPatch, to);
        }
      }
  });
  return out;
}

// Gives each channel of the descriptors mean 0 and standard deviation 1.
void normalise(at::Tensor& descriptors, std::int64_t channels) {
  const std::int64_t count = descriptors.size(0);
  if (descriptors.is_meta()) return;
  const auto values = static_cast<double>(count * kPatchPixels);
  float* const first = descriptors.mutable_data_ptr<float>();
  at::parallel_for(0, channels, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t channel = begin; channel < end; ++channel) {
      const auto patch = [&](std::int64_t i) {
        return std::span<float>(first + (i * channels + channel) * kPatchPixels, std::size_t{kPatchPixels});
      };
      double sum = 0, squares = 0;
      for (std::int64_t i = 0; i < count; ++i)
        for (const float value : patch(i)) sum += value;
      const double mean = sum / values;
      for (std::int64_t i = 0; i < count; ++i)
        for (const float value : patch(i)) squares += (value - mean) * (value - mean);
      const double scale = squares > 0 ? 1 / std::sqrt(squares / values) : 0;
      for (std::int64_t i = 0; i < count; ++i)
        for (float& value : patch(i)) value = static_cast<float>((value - mean) * scale);
    }
  });
}

// [512, width]: unit vectors of uniform directions.
at::Tensor directions_of(std::int64_t width, at::Device device) {
  at::Tensor out = at::empty({kDirections, width}, at::TensorOptions().dtype(at::kFloat).device(device));
  if (out.is_meta()) return out;
  float* row = out.mutable_data_ptr<float>();
  for (std::int64_t d = 0; d < kDirections; ++d, row += width) {
    double squares = 0;
    for (std::int64_t i = 0; i < width; ++i) {
      const auto four = normals(
          bits_of(Choice::directions, static_cast<std::uint64_t>(d), static_cast<std::uint32_t>(i / 4)));
      row[i] = four[static_cast<std::size_t>(i % 4)];
      squares += static_cast<double>(row[i]) * row[i];
    }
    const auto scale = static_cast<float>(1 / std::sqrt(squares));
    for (std::int64_t i = 0; i < width; ++i) row[i] *= scale;
  }
  return out;
}

double mean_distance(std::span<float> a, std::span<float> b) {
  radix_sort(a);
  radix_sort(b);
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += std::abs(static_cast<double>(a[i]) - b[i]);
  return sum / static_cast<double>(a.size());
}

double sliced_distance(const at::Tensor& a, const at::Tensor& b, const at::Tensor& directions) {
  const auto count = static_cast<std::size_t>(a.size(0));
  std::vector<double> distances(static_cast<std::size_t>(kDirections));
  for (std::int64_t first = 0; first < kDirections; first += kDirectionsAtOnce) {
    const at::Tensor block = directions.narrow(0, first, kDirectionsAtOnce);
    at::Tensor projected_a = at::mm(block, a.t()), projected_b = at::mm(block, b.t());
    if (projected_a.is_meta()) continue;
    auto* const from_a = projected_a.mutable_data_ptr<float>();
    auto* const from_b = projected_b.mutable_data_ptr<float>();
    at::parallel_for(0, kDirectionsAtOnce, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t d = begin; d < end; ++d)
        distances[static_cast<std::size_t>(first + d)] =
            mean_distance({from_a + d * a.size(0), count}, {from_b + d * b.size(0), count});
    });
  }
  return std::accumulate(distances.begin(), distances.end(), 0.0) / static_cast<double>(kDirections);
}

void check(const at::Tensor& a, const at::Tensor& b) {
  check_images(a, "sliced_wasserstein");
  check_images(b, "sliced_wasserstein");
  if (a.sizes() != b.sizes())
    throw Error(ExitCode::internal,
                fmt::format("sliced_wasserstein needs sets of equal shapes, not [{}] and [{}]",
                            fmt::join(a.sizes(), ", "), fmt::join(b.sizes(), ", ")));
  if (std::min(a.size(2), a.size(3)) < kPatch)
    throw Error(
        ExitCode::usage,
        fmt::format("the sliced Wasserstein distance needs images of at least {}x{} pixels, and these "
                    "have {}x{}",
                    kPatch, kPatch, a.size(2), a.size(3)));
  if (patches_per_image(a.size(0), a.size(1)) == 0)
    throw Error(
        ExitCode::usage,
        fmt::format("the sliced Wasserstein distance takes at most {} images of {} channels, and {} are "
                    "given; use fewer images",
                    most_descriptors(a.size(1)), a.size(1), a.size(0)));
}

}  // namespace

std::int64_t patches_per_image(std::int64_t images, std::int64_t channels) {
  return std::min(kMostPatches, most_descriptors(channels) / images);
}

SlicedWasserstein sliced_wasserstein(const at::Tensor& a, const at::Tensor& b) {
  check(a, b);
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "sliced wasserstein");
  const std::int64_t channels = a.size(1), patches = patches_per_image(a.size(0), channels);
  const at::Tensor images_a = a.contiguous(), images_b = b.contiguous();
  const at::Tensor directions = directions_of(channels * kPatchPixels, a.device());
  SlicedWasserstein result;
  const std::int64_t levels = pyramid_levels(a.size(2), a.size(3));
  for (std::int64_t level = 0; level < levels; ++level) {
    at::Tensor from_a = descriptors_of(images_a, level, patches);
    at::Tensor from_b = descriptors_of(images_b, level, patches);
    normalise(from_a, channels);
    normalise(from_b, channels);
    result.levels.push_back(1000 * sliced_distance(from_a, from_b, directions));
  }
  result.mean =
      std::accumulate(result.levels.begin(), result.levels.end(), 0.0) / static_cast<double>(levels);
  return result;
}

}  // namespace ebb::evaluate
