// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>

#include "train/load_model.h"

namespace ebb::train {

struct ExportResult {
  std::int64_t bytes = 0, files = 0, tensors = 0;
};

// Writes a folder with the weights of a model, in its dtype: config.json and model.safetensors, or above
// `max_file_bytes` several files with model.safetensors.index.json. config.json is written last, so a folder
// without it is incomplete. Error(usage): the folder is not empty, or a value is not finite; the message
// names the parameter.
//
// The layout is that of the library `transformers` if it has the model. Otherwise each parameter keeps its
// name and shape, and config.json has these keys:
//   model_type   "ebb_" and the name of the family
//   ebb_version  of the program that wrote it
//   dtype        fp16, bf16 or fp32
//   sample       the fields of a sample, as core::SampleSpec writes them
//   model        the keys of the section `model` that apply, without `kind` (config::json_values)
ExportResult export_weights(const LoadedModel& loaded, const std::filesystem::path& folder,
                            std::int64_t max_file_bytes);

}  // namespace ebb::train
