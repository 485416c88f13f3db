// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace ebb::checkpoint {

// Returns the rank that writes each tensor. It assigns the largest first, each to the rank with the fewest
// bytes so far (the lowest of equals). The result depends only on names, sizes and ranks, so it is the same
// on every rank. `bytes`: name and size of each tensor.
std::vector<int> partition(const std::vector<std::pair<std::string, std::int64_t>>& bytes, int ranks);

}  // namespace ebb::checkpoint
