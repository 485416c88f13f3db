// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "models/model.h"
#include "train/config.h"

namespace ebb::train {

struct LoadedModel {
  std::unique_ptr<models::Model> model;  // on the CPU, in the checkpoint's dtype
  Config config;                         // of its run
  std::int64_t step;
};

enum class WeightChoice {
  averaged,  // the average, if the run has one that has been updated; else the raw weights
  raw        // the weights that the optimizer updates
};

// Loads the model of a checkpoint, or of the newest complete checkpoint of a run folder, with its parameters.
// Error(checkpoint): there is none. Error(usage) names a parameter with a finite value that the dtype of the
// configuration cannot hold, and its magnitude.
// `overrides`: key.path=value, over the configuration of its run (load_saved).
LoadedModel load_model(const std::filesystem::path& path, const Registries& registries,
                       WeightChoice choice = WeightChoice::averaged,
                       const std::vector<std::string>& overrides = {});

}  // namespace ebb::train
