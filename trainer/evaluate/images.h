// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <string_view>

namespace ebb::evaluate {

// Error(internal) names `function` if `images` is not a tensor [N, C, H, W] uint8 on the CPU, or is empty.
void check_images(const at::Tensor& images, std::string_view function);

}  // namespace ebb::evaluate
