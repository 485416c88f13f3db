// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "comm/world.h"
#include "memory/ledger.h"
#include "telemetry/tables.h"
#include "train/config.h"
#include "train/evaluation.h"

namespace ebb::train {

// The closing screen of a run.
class Summary {
 public:
  Summary(const Config& config, comm::World& world, memory::Ledger& ledger);
  void collect();  // peaks of all ranks; collective
  [[nodiscard]] std::string text(const Evaluation& result) const;

 private:
  const Config& config_;
  comm::World& world_;
  memory::Ledger& ledger_;
  std::vector<telemetry::RankPeaks> peaks_;
};

// Returns the command for `ebb` in the current folder: "ebb" if PATH finds this one, else its path.
std::string program_name();

}  // namespace ebb::train
