// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace ebb::data {

// Opens a split ("train", "test") of the configured dataset. The dataset provides `fields`, in this order. A
// read refuses token ids at or beyond `vocabulary`; 0: any int32 is valid. The dataset's own memory is in
// class data. Error(usage) for a field that the format does not have; Error(data) if the split is damaged or
// lacks a field.
std::unique_ptr<Dataset> open(const DataConfig& config, const std::string& split,
                              const std::vector<std::string>& fields, std::int64_t vocabulary = 0);

}  // namespace ebb::data
