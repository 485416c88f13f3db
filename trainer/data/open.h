// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace ebb::data {

// Opens a split ("train", "test") of the configured dataset. The dataset brings `fields`, in this order.
// Token ids at or beyond `vocabulary` are refused when they are read; 0: all int32 are taken. What the
// dataset keeps is in class data. Error(usage) for a field that the format does not bring; Error(data) where
// the split is damaged or lacks one.
std::unique_ptr<Dataset> open(const DataConfig& config, const std::string& split,
                              const std::vector<std::string>& fields, std::int64_t vocabulary = 0);

}  // namespace ebb::data
