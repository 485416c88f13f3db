// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/partition.h"

#include <algorithm>
#include <numeric>

namespace ebb::checkpoint {

std::vector<int> partition(const std::vector<std::pair<std::string, std::int64_t>>& bytes, int ranks) {
  std::vector<std::size_t> order(bytes.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return bytes[a].second != bytes[b].second ? bytes[a].second > bytes[b].second
                                              : bytes[a].first < bytes[b].first;
  });
  std::vector<std::int64_t> load(static_cast<std::size_t>(ranks), 0);
  std::vector<int> owner(bytes.size(), 0);
  for (const std::size_t i : order) {
    const auto least = std::min_element(load.begin(), load.end());
    *least += bytes[i].second;
    owner[i] = static_cast<int>(least - load.begin());
  }
  return owner;
}

}  // namespace ebb::checkpoint
