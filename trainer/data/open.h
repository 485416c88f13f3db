// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/config.h"
#include "data/dataset.h"

namespace ebb::data {

// Opens a split ("train", "test") of the configured dataset. The dataset provides `fields`, in this order. A
// read refuses token ids at or beyond `vocabulary`; 0: any int32 is valid. Labels outside of [0, classes) are
// refused, if the fields contain one: some of them at once, the others when they are read; empty: any label
// is valid. The dataset's own memory is in class data. Error(usage) for a field that the format does not
// have; Error(data) if the split is damaged or lacks a field.
std::unique_ptr<Dataset> open(const DataConfig& config, const std::string& split,
                              const std::vector<std::string>& fields, std::int64_t vocabulary = 0,
                              std::optional<std::int64_t> classes = {});

}  // namespace ebb::data
