// SPDX-License-Identifier: Apache-2.0
#include "telemetry/image_grid.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <png.h>

#include <algorithm>
#include <cmath>

#include "base/atomic_file.h"
#include "base/error.h"
#include "memory/buffer.h"
#include "memory/ledger.h"

namespace ebb::telemetry {
namespace {

constexpr std::int64_t kPadding = 2;      // pixels
constexpr std::int64_t kSmallBelow = 64;  // pixels

// Returns [H', W', C] uint8.
at::Tensor make_canvas(const at::Tensor& images, std::int64_t columns, std::int64_t upscale) {
  const std::int64_t count = images.size(0), height = images.size(2) * upscale,
                     width = images.size(3) * upscale;
  const std::int64_t rows = (count + columns - 1) / columns;
  at::Tensor canvas = at::zeros(
      {kPadding + rows * (height + kPadding), kPadding + columns * (width + kPadding), images.size(1)},
      at::kByte);
  for (std::int64_t i = 0; i < count; ++i) {
    const at::Tensor image =
        images[i].permute({1, 2, 0}).repeat_interleave(upscale, 0).repeat_interleave(upscale, 1);
    canvas.narrow(0, kPadding + i / columns * (height + kPadding), height)
        .narrow(1, kPadding + i % columns * (width + kPadding), width)
        .copy_(image);
  }
  return canvas;
}

}  // namespace

std::int64_t columns_for(std::int64_t count) {
  return std::max<std::int64_t>(1,
                                static_cast<std::int64_t>(std::ceil(std::sqrt(static_cast<double>(count)))));
}

void write_grid(const std::filesystem::path& path, const at::Tensor& images, std::int64_t columns,
                std::int64_t upscale) {
  if (images.dim() != 4 || images.scalar_type() != at::kByte || !images.device().is_cpu() ||
      images.numel() == 0 || images.size(1) < 1 || columns < 1 || upscale < 0) {
    throw Error(
        ExitCode::internal,
        fmt::format("{}: an image grid needs uint8 images [N, C, H, W] on the CPU, not {} [{}]",
                    path.string(), c10::toString(images.scalar_type()), fmt::join(images.sizes(), ", ")));
  }
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "image grid");
  if (upscale == 0) upscale = std::max(images.size(2), images.size(3)) < kSmallBelow ? 2 : 1;
  const std::int64_t shown = images.size(1) < 3 ? 1 : 3;
  const at::Tensor canvas =
      make_canvas(images.narrow(1, 0, shown), std::min(columns, images.size(0)), upscale);
  png_image png{};
  png.version = PNG_IMAGE_VERSION;
  png.width = static_cast<png_uint_32>(canvas.size(1));
  png.height = static_cast<png_uint_32>(canvas.size(0));
  png.format = shown == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB;
  png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(png);
  const memory::Buffer encoded(bytes, memory::Class::workspace, "image grid");
  if (png_image_write_to_memory(&png, encoded.data(), &bytes, 0, canvas.data_ptr(), 0, nullptr) == 0) {
    throw Error(ExitCode::internal,
                fmt::format("{}: libpng cannot encode the image: {}", path.string(), png.message));
  }
  AtomicFile file(path);
  file.append(encoded.bytes().first(bytes));
  file.commit();
}

}  // namespace ebb::telemetry
