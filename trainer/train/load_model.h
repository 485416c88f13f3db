#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>

#include "models/model.h"
#include "train/config.h"

namespace ebb::train {

struct LoadedModel {
  std::unique_ptr<models::Model> model;  // on the CPU, in the checkpoint's dtype
  Config config;                         // of the run
  std::int64_t step;
};

// The model of a checkpoint (or of a run folder's newest whole one) with its parameters. Error(checkpoint)
// where there is none.
LoadedModel load_model(const std::filesystem::path& path);

}  // namespace ebb::train
