// SPDX-License-Identifier: Apache-2.0
#include "data/channels.h"

namespace ebb::data {

bool has_channels_last(const std::vector<std::int64_t>& dims) {
  constexpr std::int64_t kMostChannels = 4;
  return dims.size() == 3 && dims[2] <= kMostChannels && dims[0] > kMostChannels && dims[1] > kMostChannels;
}

void split_channels(std::span<const std::byte> image, std::size_t channels, std::span<std::byte> out) {
  const std::size_t pixels = image.size() / channels;
  for (std::size_t c = 0; c < channels; ++c)
    for (std::size_t p = 0; p < pixels; ++p) out[c * pixels + p] = image[p * channels + c];
}

}  // namespace ebb::data
