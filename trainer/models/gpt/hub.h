#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "models/gpt/config.h"
#include "numerics/precision.h"

// Our GPT in the terms of the library `transformers`: GPT2LMHeadModel for the parts gpt2, LlamaForCausalLM
// for llama. Both its rotary positions and ours turn element i with element i + D / 2, so weights are the
// same numbers.
namespace ebb::models {

// One of its tensors, and where its numbers are in ours.
struct HubTensor {
  std::string name;                 // "model.layers.0.self_attn.k_proj.weight"
  std::vector<std::int64_t> shape;  // its own
  std::string ours;                 // "block.0.attention.qkv.weight"
  std::int64_t first = 0;           // row of ours at which it begins
  bool transposed = false;          // it is [in, out] (GPT-2), ours [out, in]
};

// All of them, each once; those of a tied head left out. `context` is the number of positions.
std::vector<HubTensor> hub_tensors(const GptConfig& config, std::int64_t context);

// What a folder may hold beside them without harm: masks and angles that are computed, the head where it is
// tied.
bool hub_may_hold(const GptConfig& config, std::string_view name);

// Its config.json (without a token that begins or ends a text), and back; `context` is set. Error(usage)
// names what cannot be had here (another architecture, another activation, biases in a Llama) with the key
// and its value.
nlohmann::json to_hub_config(const GptConfig& config, std::int64_t context, numerics::Dtype dtype);
GptConfig from_hub_config(const nlohmann::json& json);

}  // namespace ebb::models
