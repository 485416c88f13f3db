// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/section.h"
#include "models/family.h"
#include "numerics/attention_shape.h"

namespace ebb::models {

// gpt2: learned positions, LayerNorm, GELU, biases (Radford et al., "Language models are unsupervised
// multitask learners", 2019). llama: rotary positions, RMSNorm, SwiGLU, no biases (Touvron et al., "LLaMA",
// 2023).
enum class GptArchitecture { gpt2, llama };

inline constexpr std::int64_t kMostGptLayers = 4096;

// A decoder-only transformer with pre-norms.
struct GptConfig {
  GptArchitecture architecture = GptArchitecture::gpt2;
  std::int64_t vocabulary = 257;
  std::optional<std::int64_t> context;  // positions; as many as data.context if not given
  std::int64_t layers = 6, heads = 6, dim = 384;
  std::optional<std::int64_t> kv_heads, feed_forward;
  bool tied = true;
  std::string weights;  // folder that training starts from; empty: the seed draws the initial values
  std::optional<std::int64_t> document_end;  // attention does not cross this token; none: no limit
  double z_loss = 0;
  double norm_eps = 1e-5;
  double rope_theta = 10000;
  numerics::RopeScaling rope;
  void describe(config::Section& s);
  [[nodiscard]] std::vector<FamilyRule> rules() const;

  [[nodiscard]] bool is_llama() const { return architecture == GptArchitecture::llama; }
  [[nodiscard]] numerics::AttentionHeads attention_heads() const { return {heads, kv_heads.value_or(heads)}; }
  [[nodiscard]] std::int64_t head_width() const { return dim / heads; }
  [[nodiscard]] std::int64_t feed_forward_width() const;
  // The context of a model that trains on windows of `data_context` tokens.
  [[nodiscard]] std::int64_t context_for(std::int64_t data_context) const {
    return context.value_or(data_context);
  }
};

}  // namespace ebb::models
