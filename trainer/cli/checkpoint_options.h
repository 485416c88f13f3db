// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "train/load_model.h"

namespace ebb::cli {

// What the commands that read a checkpoint's model have in common.
struct CheckpointOptions {
  std::string path;
  std::vector<std::string> overrides;
  bool raw_weights = false;

  [[nodiscard]] train::WeightChoice choice() const {
    return raw_weights ? train::WeightChoice::raw : train::WeightChoice::averaged;
  }
  void add_to(CLI::App& command) {
    command
        .add_option("checkpoint", path, "A run's folder (its newest complete checkpoint) or a checkpoint's")
        ->required();
    command.add_option("overrides", overrides, "key.path=value, over the run's configuration");
    command.add_flag("--raw-weights", raw_weights,
                     "Use the weights of the last step, even if the run has their average");
  }
};

}  // namespace ebb::cli
