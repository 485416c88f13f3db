// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>

namespace ebb::telemetry {

// Returns the number of columns that makes a grid of `count` images about square; at least 1.
std::int64_t columns_for(std::int64_t count);

// Writes a PNG of the images in row-major order, with 2 black pixels around each. The file appears
// atomically. `images`: [N, C, H, W] uint8 on the CPU, with C and N at least 1. Of 2 channels it shows the
// first as grey, of more than 3 the first three as RGB.
// `upscale`: width of the square that each pixel becomes; 0 selects 2 for images below 64 pixels,
// else 1. Error(storage) if the file cannot be written; Error(internal) for other tensors.
void write_grid(const std::filesystem::path& path, const at::Tensor& images, std::int64_t columns,
                std::int64_t upscale = 0);

}  // namespace ebb::telemetry
