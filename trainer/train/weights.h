// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "models/family.h"
#include "train/load_model.h"

namespace ebb::train {

// A folder of a model's weights as the library `transformers` writes and loads it: config.json, and
// model.safetensors or model.safetensors.index.json with the files that it names.
class WeightFolder {
 public:
  // Reads config.json and the files' headers. Error(usage): a file is missing, or none of `families` has the
  // model.
  WeightFolder(const std::filesystem::path& folder, const models::Families& families);

  [[nodiscard]] const models::Family& family() const { return family_; }
  [[nodiscard]] const models::FamilyConfig& config() const { return *config_; }
  [[nodiscard]] bool is_bf16() const;  // its first tensor is: fp16 may not hold its numbers
  // Chooses what read() takes: a model with `config`, a configuration of family(), for samples of `window`
  // tokens. Error(usage) lists every tensor that is missing, has another shape than in that model, or is
  // left over.
  void require(const models::FamilyConfig& config, std::int64_t window);
  // Our parameter `ours`, into fp32 on the CPU, one tensor of the folder at a time.
  void read(const std::string& ours, const at::Tensor& into) const;

 private:
  void open(const std::filesystem::path& file);
  void open_files();
  [[nodiscard]] const checkpoint::TensorEntry* find(const std::string& name,
                                                    const checkpoint::SafetensorsFile** file) const;

  std::filesystem::path folder_;
  models::Family family_;
  std::unique_ptr<models::FamilyConfig> config_;
  std::string prefix_;  // of the tensors' names, where the folder leaves it out
  std::vector<checkpoint::SafetensorsFile> files_;
  std::map<std::string, std::size_t> file_indices_;  // name -> file
  models::HubLayout layout_;
};

struct ExportResult {
  std::int64_t bytes = 0, files = 0, tensors = 0;
};

// Writes such a folder, in the model's own dtype; above `max_file_bytes` as several files with an index.
// config.json is written last: a folder without it is incomplete. Error(usage): the folder is not empty, or
// `transformers` has no such model.
ExportResult export_weights(const LoadedModel& loaded, const std::filesystem::path& folder,
                            std::int64_t max_file_bytes);

}  // namespace ebb::train
