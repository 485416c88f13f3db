#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>

namespace ebb::telemetry {

// Columns of a grid of `count` images that is about square.
std::int64_t columns_for(std::int64_t count);

// A PNG with the images row by row, 2 black pixels around each, written atomically. `images`: [N, C, H, W]
// uint8 on the CPU, C 1 (grey) or 3 (RGB), N at least 1. `upscale`: each pixel becomes a square of so many; 0
// is 2 for images below 64 pixels, else 1. Error(storage) where it cannot be written, Error(internal) for
// other tensors.
void write_grid(const std::filesystem::path& path, const at::Tensor& images, std::int64_t columns,
                std::int64_t upscale = 0);

}  // namespace ebb::telemetry
