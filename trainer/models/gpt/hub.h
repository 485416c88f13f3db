// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json.hpp>
#include <vector>

#include "models/gpt/config.h"
#include "models/hub_format.h"
#include "numerics/config.h"

// Our GPT in the terms of the library `transformers`: GPT2LMHeadModel for the architecture gpt2,
// LlamaForCausalLM for llama. Both libraries rotate element i with element i + D / 2, so the weights are the
// same numbers.
namespace ebb::models {

// Every tensor once, without those of a tied head. `context` is the number of positions.
std::vector<HubTensor> hub_tensors(const GptConfig& config, std::int64_t context);

// config.json without the tokens that begin and end a text, and back; `context` is set. Error(usage) names
// an unsupported feature (another architecture, another activation, biases in a Llama) with its key and
// value.
nlohmann::json to_hub_config(const GptConfig& config, std::int64_t context, numerics::Dtype dtype);
GptConfig from_hub_config(const nlohmann::json& json);

// The same as an entry of the family.
std::shared_ptr<const HubFormat> gpt_hub_format();

}  // namespace ebb::models
