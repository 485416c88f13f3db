// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "config/section.h"
#include "data/config.h"

namespace ebb::data {

inline constexpr std::int64_t kLargestSize = 8192;  // of data.size

// Adds size, crop and channels to the section `data`.
void describe_picture_shape(config::Section& section, DataConfig& config);

// Adds them and test_share to the section `data`: for Format::describe_keys of the formats
// whose samples are pictures.
void describe_picture_keys(config::Section& section, DataConfig& config);

}  // namespace ebb::data
