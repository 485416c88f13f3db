// SPDX-License-Identifier: Apache-2.0
#include "evaluate/images.h"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/error.h"

namespace ebb::evaluate {

void check_images(const at::Tensor& images, std::string_view function) {
  if (images.dim() == 4 && images.scalar_type() == at::kByte &&
      (images.device().is_cpu() || images.is_meta()) && images.numel() > 0)
    return;
  throw Error(ExitCode::internal,
              fmt::format("{} needs uint8 images [N, C, H, W] on the CPU, not {} [{}]", function,
                          c10::toString(images.scalar_type()), fmt::join(images.sizes(), ", ")));
}

}  // namespace ebb::evaluate
