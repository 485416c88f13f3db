// SPDX-License-Identifier: Apache-2.0
#include "train/memory_need.h"

namespace ebb::train {

AvailableToRun available_to_run(const memory::AvailableMemory& host, const std::optional<RankBudget>& budget,
                                int ranks) {
  if (!budget || (host.bytes >= 0 && host.bytes < ranks * budget->bytes))
    return {host.bytes, host.limit, false};
  return {ranks * budget->bytes, budget->source, budget->is_of_each_rank};
}

}  // namespace ebb::train
