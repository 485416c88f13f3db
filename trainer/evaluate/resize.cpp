// SPDX-License-Identifier: Apache-2.0
#include "evaluate/resize.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/resample.h"
#include "evaluate/images.h"
#include "memory/tag.h"

namespace ebb::evaluate {

at::Tensor resize_bicubic(const at::Tensor& images, std::int64_t height, std::int64_t width) {
  check_images(images, "resize_bicubic");
  if (height < 1 || width < 1)
    throw Error(ExitCode::internal, fmt::format("resize_bicubic cannot make images of {}x{}", height, width));
  const memory::Tag tag(memory::Class::workspace, "resized images");
  const at::Tensor in = images.contiguous();
  const std::int64_t in_height = in.size(2), in_width = in.size(3);
  at::Tensor out = at::empty({in.size(0), in.size(1), height, width}, at::kByte);
  const BicubicResizer resizer({in_height, in_width}, {height, width}, 1);
  const auto* from = in.const_data_ptr<std::uint8_t>();
  auto* to = out.mutable_data_ptr<std::uint8_t>();
  at::parallel_for(0, in.size(0) * in.size(1), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane)
      resizer.resize(from + plane * in_height * in_width, in_width, to + plane * height * width);
  });
  return out;
}

}  // namespace ebb::evaluate
