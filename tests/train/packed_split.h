// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/mds/writer.h"

namespace ebb::test {

// The square images of a split.
struct PackedSplit {
  std::int64_t samples = 16, channels = 1, side = 16;
  std::int64_t classes = 3;  // sample i has the label i modulo `classes`; 0: there is no column of labels
};

// Packs the split into the folder, which it makes. All pixels of an image have one value.
inline void pack_split(const std::filesystem::path& folder, const PackedSplit& split) {
  std::filesystem::create_directories(folder);
  const std::string side = std::to_string(split.side);
  std::vector<data::MdsColumn> columns;
  columns.push_back(
      {"image", "ndarray:uint8:" + std::to_string(split.channels) + "," + side + "," + side, {}});
  if (split.classes > 0) columns.push_back({"label", "int", {}});
  data::MdsWriter writer(folder, columns, {});
  std::vector<std::byte> image(static_cast<std::size_t>(split.channels * split.side * split.side));
  for (std::int64_t i = 0; i < split.samples; ++i) {
    std::fill(image.begin(), image.end(), static_cast<std::byte>(i * 37 % 256));
    const std::int64_t label = split.classes > 0 ? i % split.classes : 0;
    const std::array<std::span<const std::byte>, 2> values = {std::span<const std::byte>(image),
                                                              std::as_bytes(std::span(&label, 1))};
    writer.write(std::span(values).first(columns.size()));
  }
  writer.finish();
}

}  // namespace ebb::test
