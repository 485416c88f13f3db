#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "data/config.h"
#include "models/model.h"

namespace ebb::train {

struct LoadedModel {
  std::unique_ptr<models::Model> model;  // on the CPU, in the checkpoint's dtype
  data::TokenizerKind tokenizer;         // of a model of text
  std::string run_name;
  std::int64_t step;
};

// The model of a checkpoint (or of a run folder's newest whole one) with its parameters. Error(checkpoint)
// where there is none.
LoadedModel load_model(const std::filesystem::path& path);

}  // namespace ebb::train
