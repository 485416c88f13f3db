// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "telemetry/peak_table.h"
#include "train/config.h"
#include "train/environment.h"
#include "train/evaluation.h"
#include "train/memory_need.h"

namespace ebb::train {

// The closing screen of a run.
class Summary {
 public:
  // `need`: empty: not planned.
  Summary(const Config& config, const Environment& environment, const std::optional<MemoryNeed>& need);
  void collect();  // peaks of all ranks; collective
  [[nodiscard]] std::string text(const Evaluation& result) const;

 private:
  const Config& config_;
  const Environment& environment_;
  std::optional<telemetry::PeakBytes> planned_;
  std::vector<telemetry::RankPeaks> peaks_;
};

// Returns the command for `ebb` in the current folder: "ebb" if PATH finds this one, else its path.
std::string program_name();

}  // namespace ebb::train
