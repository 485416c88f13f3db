// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ebb::checkpoint {

// Which rank writes each tensor: the largest first, each to the rank with the fewest bytes so far (the lowest
// of equals). A function of names, sizes and ranks alone, so that every rank finds the same. `bytes`: name
// and size of each tensor.
std::vector<int> partition(const std::vector<std::pair<std::string, std::int64_t>>& bytes, int ranks);

}  // namespace ebb::checkpoint
