// SPDX-License-Identifier: Apache-2.0
#include "models/hub_format.h"

#include "models/gpt/hub.h"

namespace ebb::models {

namespace {

class GptHubFormat final : public HubFormat {
 public:
  [[nodiscard]] std::vector<std::string> model_types() const override { return {"gpt2", "llama"}; }

  // GPT-2 has no grouped heads.
  [[nodiscard]] bool has(const FamilyConfig& config) const override {
    const auto& gpt = config_of<GptConfig>(config);
    return gpt.is_llama() || gpt.attention_heads().key == gpt.heads;
  }

  [[nodiscard]] std::string model_type(const FamilyConfig& config) const override {
    return config_of<GptConfig>(config).is_llama() ? "llama" : "gpt2";
  }

  [[nodiscard]] std::int64_t layers(const FamilyConfig& config) const override {
    return config_of<GptConfig>(config).layers;
  }

  [[nodiscard]] HubLayout layout(const FamilyConfig& config, std::int64_t data_context) const override {
    const auto& gpt = config_of<GptConfig>(config);
    HubLayout layout;
    layout.tensors = hub_tensors(gpt, gpt.context_for(data_context));
    layout.ignored_suffixes = {".attn.bias", ".attn.masked_bias", "rotary_emb.inv_freq"};
    if (gpt.tied) layout.copies = {{"lm_head.weight", layout.tensors.front().name}};
    // The files of the first GPT-2 have no such prefix.
    if (!gpt.is_llama()) layout.optional_prefix = "transformer.";
    return layout;
  }

  [[nodiscard]] std::unique_ptr<FamilyConfig> read_config(
      const nlohmann::json& json, const std::filesystem::path& folder) const override {
    GptConfig config = from_hub_config(json);
    config.weights = std::filesystem::absolute(folder).lexically_normal().string();
    return std::make_unique<FamilyConfigOf<GptConfig>>(std::move(config));
  }

  [[nodiscard]] std::string data_condition() const override { return "in that model's own tokens"; }

  [[nodiscard]] nlohmann::json write_config(const FamilyConfig& config, std::int64_t data_context,
                                            numerics::Dtype dtype) const override {
    const auto& gpt = config_of<GptConfig>(config);
    return to_hub_config(gpt, gpt.context_for(data_context), dtype);
  }
};

}  // namespace

std::shared_ptr<const HubFormat> gpt_hub_format() {
  return std::make_shared<GptHubFormat>();
}

}  // namespace ebb::models
