// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "numerics/config.h"

namespace ebb::models {

class FamilyConfig;

// One tensor of the library `transformers`, and the place of its numbers in a parameter of ours.
struct HubTensor {
  std::string name;                 // "model.layers.0.self_attn.k_proj.weight"
  std::vector<std::int64_t> shape;  // its own
  std::string ours;                 // "block.0.attention.qkv.weight"
  std::int64_t first = 0;           // row of our parameter at which it begins
  bool transposed = false;          // it is [in, out] (GPT-2), ours [out, in]
};

// The contents of a folder with the weights of one model.
struct HubLayout {
  std::vector<HubTensor> tensors;  // each once, without those of a tied head
  // A folder may also hold computed masks and angles, and copies: the head if it is tied. A copy must have
  // the values of its tensor.
  struct Copy {
    std::string name, of;
  };
  std::vector<std::string> ignored_suffixes;
  std::vector<Copy> copies;
  std::string optional_prefix;  // of the tensors' names; some folders leave it out

  [[nodiscard]] bool may_hold(std::string_view name) const;
};

// The models of one family in the terms of `transformers`. `data_context` is the value of data.context.
class HubFormat {
 public:
  virtual ~HubFormat() = default;
  // Values of model_type in config.json that it reads: "gpt2", "llama".
  [[nodiscard]] virtual std::vector<std::string> model_types() const = 0;
  // Whether `transformers` has the model of `config`.
  [[nodiscard]] virtual bool has(const FamilyConfig& config) const = 0;
  // The model_type of `config`.
  [[nodiscard]] virtual std::string model_type(const FamilyConfig& config) const = 0;
  // Repeated parts, each of which has tensors of its own in the layout.
  [[nodiscard]] virtual std::int64_t layers(const FamilyConfig& config) const = 0;
  [[nodiscard]] virtual HubLayout layout(const FamilyConfig& config, std::int64_t data_context) const = 0;
  // The model that config.json in `folder` describes; its training starts from that folder. Error(usage)
  // names an unsupported feature with its key and value.
  [[nodiscard]] virtual std::unique_ptr<FamilyConfig> read_config(
      const nlohmann::json& json, const std::filesystem::path& folder) const = 0;
  // The requirement on the data of a training that starts from such weights: a phrase for a person.
  [[nodiscard]] virtual std::string data_condition() const = 0;
  // config.json without the tokens that begin and end a text, for a model that `transformers` has.
  [[nodiscard]] virtual nlohmann::json write_config(const FamilyConfig& config, std::int64_t data_context,
                                                    numerics::Dtype dtype) const = 0;
};

}  // namespace ebb::models
