// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "data/arrays/array_file.h"

namespace ebb::data {

// The number at `index` of an array of integers. Error(data) if it does not fit into int64.
std::int64_t read_label(const ArrayValues& labels, std::int64_t index);

}  // namespace ebb::data
