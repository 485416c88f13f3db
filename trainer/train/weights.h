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
#include "numerics/dtype.h"

namespace ebb::train {

// The file of all weights of such a folder. Above a size there are several, and the index names them.
inline constexpr const char* kWeightFile = "model.safetensors";
inline constexpr const char* kWeightIndex = "model.safetensors.index.json";

// A folder of a model's weights in the layout of the library `transformers`: config.json, and
// model.safetensors or model.safetensors.index.json with the files that it names.
class WeightFolder {
 public:
  // Reads config.json and the files' headers. Error(usage): a file is missing, or the model is in none of
  // `families`.
  WeightFolder(const std::filesystem::path& folder, const models::Families& families);

  [[nodiscard]] const models::Family& family() const { return family_; }
  [[nodiscard]] const models::FamilyConfig& config() const { return *config_; }
  // Selects the model for read(): one with `config`, a configuration of family(), and with `data_context`,
  // the value of data.context. Error(usage) lists every tensor that is missing, superfluous, or of another
  // shape than in that model. Unless `is_own`, `config` is another one than config(), and the message says
  // which command writes one that fits.
  void require(const models::FamilyConfig& config, std::int64_t data_context, bool is_own = false);
  // Reads our parameter `ours` into fp32 on the CPU, one tensor of the folder at a time, or one and its copy
  // (models::HubLayout::copies). Error(usage) with the tensor and the value, if one is not finite or is too
  // large for `held_in`, the dtype of the run.
  // Error(usage) too, if the folder has a copy of a tensor with other values (extreme() checks this as well).
  void read(const std::string& ours, const at::Tensor& into, numerics::Dtype held_in) const;
  // The number of the model's tensors of each dtype, by its name: F16, BF16, F32, F64. After require().
  [[nodiscard]] std::map<std::string, std::int64_t> dtypes() const;
  // The tensor with the value of largest magnitude. Reads all tensors of the model, one at a time.
  // Error(usage) names one with a value that is not finite.
  struct Extreme {
    std::string tensor;
    double magnitude = 0;
    [[nodiscard]] bool fits_fp16() const;
  };
  [[nodiscard]] Extreme extreme() const;

 private:
  [[nodiscard]] at::Tensor values_of(const models::HubTensor& theirs, double& magnitude) const;
  void require_copies(const models::HubTensor& original, const at::Tensor& values) const;
  void open(const std::filesystem::path& file);
  void open_files();
  [[nodiscard]] const checkpoint::TensorEntry* find(const std::string& name,
                                                    const checkpoint::SafetensorsFile** file) const;

  std::filesystem::path folder_;
  models::Family family_;
  std::unique_ptr<models::FamilyConfig> config_;
  std::string prefix_;  // of the tensors' names, if the folder omits it
  std::vector<checkpoint::SafetensorsFile> files_;
  std::map<std::string, std::size_t> file_indices_;  // name -> file
  models::HubLayout layout_;
};

}  // namespace ebb::train
