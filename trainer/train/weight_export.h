// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>

#include "train/load_model.h"

namespace ebb::train {

struct ExportResult {
  std::int64_t bytes = 0, files = 0, tensors = 0;
};

// Writes a folder of weights in the layout of the library `transformers`, in the dtype of the model; above
// `max_file_bytes` as several files with an index. It writes config.json last, so a folder without it is
// incomplete. Error(usage): the folder is not empty, or `transformers` has no such model.
ExportResult export_weights(const LoadedModel& loaded, const std::filesystem::path& folder,
                            std::int64_t max_file_bytes);

}  // namespace ebb::train
