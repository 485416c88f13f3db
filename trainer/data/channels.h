// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ebb::data {

// Whether the dimensions of an image are H,W,C: of three dimensions, the last one is the channels if it is at
// most 4 and both others are larger.
bool has_channels_last(const std::vector<std::int64_t>& dims);
// Writes an image of H,W,C into `out` as C,H,W. Both have one length, a multiple of `channels`.
void split_channels(std::span<const std::byte> image, std::size_t channels, std::span<std::byte> out);

}  // namespace ebb::data
