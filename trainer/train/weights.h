#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "checkpoint/safetensors.h"
#include "models/gpt/hub.h"
#include "train/load_model.h"

namespace ebb::train {

// A folder of a language model's weights as the library `transformers` writes and loads it: config.json, and
// model.safetensors or model.safetensors.index.json with the files that it names.
class WeightFolder {
 public:
  // Reads config.json and the files' headers. Error(usage): a file that is missing, or a model that ebb does
  // not have.
  explicit WeightFolder(const std::filesystem::path& folder);

  [[nodiscard]] const models::GptConfig& config() const { return config_; }
  [[nodiscard]] bool is_bf16() const;  // its first tensor is: numbers that fp16 may not hold
  // What read() takes from here on. Error(usage) with every tensor that is missing, of another shape than a
  // model of `config` has, or left over.
  void require(const models::GptConfig& config, std::int64_t context);
  // Our parameter `ours`, into fp32 on the CPU, a tensor of the folder at a time.
  void read(const std::string& ours, const at::Tensor& into) const;

 private:
  void open(const std::filesystem::path& file);
  [[nodiscard]] const checkpoint::TensorEntry* find(const std::string& name,
                                                    const checkpoint::SafetensorsFile** file) const;

  std::filesystem::path folder_;
  models::GptConfig config_;
  std::string prefix_;  // "transformer." where the folder leaves it out, as the first GPT-2 does
  std::vector<checkpoint::SafetensorsFile> files_;
  std::map<std::string, std::size_t> places_;  // name -> file
  std::vector<models::HubTensor> required_;
};

struct ExportResult {
  std::int64_t bytes = 0, files = 0, tensors = 0;
};

// Writes such a folder, in the model's own dtype; above `max_file_bytes` as several files with an index.
// config.json comes last: a folder without it was not finished. Error(usage) where something is in the folder
// already, or for a model that `transformers` has no name for.
ExportResult export_weights(const LoadedModel& loaded, const std::filesystem::path& folder,
                            std::int64_t max_file_bytes);

}  // namespace ebb::train
