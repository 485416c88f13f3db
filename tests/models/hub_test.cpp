// SPDX-License-Identifier: Apache-2.0
#include "models/gpt/hub.h"

#include <gmock/gmock.h>

#include <set>

#include "base/error.h"
#include "models/gpt_under_test.h"

namespace ebb::models {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;

std::string refusal(const Json& json) {
  try {
    (void)from_hub_config(json);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    return error.what();
  }
  return "";
}

class HubOfArchitecture : public ::testing::TestWithParam<GptArchitecture> {};

// Each element of our parameters is in exactly one tensor of `transformers`.
TEST_P(HubOfArchitecture, MapsEveryParameterOnce) {
  for (const bool tied : {true, false}) {
    GptConfig config = testing::tiny(GetParam());
    config.tied = tied;
    const auto model = testing::make(config);
    std::map<std::string, std::int64_t> numbers;
    std::set<std::string> names;
    const HubLayout layout = gpt_hub_format()->layout(FamilyConfigOf<GptConfig>(config), *config.context);
    for (const HubTensor& theirs : layout.tensors) {
      EXPECT_TRUE(names.insert(theirs.name).second) << theirs.name;
      EXPECT_FALSE(layout.may_hold(theirs.name)) << theirs.name;
      std::int64_t count = 1;
      for (const std::int64_t n : theirs.shape) count *= n;
      numbers[theirs.ours] += count;
    }
    const auto tensors = model->state().tensors;
    EXPECT_EQ(numbers.size(), tensors.size());
    for (const auto& [name, tensor] : tensors) EXPECT_EQ(numbers[name], tensor.numel()) << name;
  }
}

TEST_P(HubOfArchitecture, AConfigurationRoundTrips) {
  GptConfig config = testing::tiny(GetParam());
  config.feed_forward = 48;
  config.rope_theta = 5e5;
  const GptConfig back = from_hub_config(to_hub_config(config, 16, numerics::Dtype::bf16));
  EXPECT_EQ(back.architecture, config.architecture);
  EXPECT_EQ(back.context, 16);
  EXPECT_EQ(back.feed_forward, 48);
  EXPECT_EQ(back.tied, config.tied);
  EXPECT_EQ(back.attention_heads().key, config.attention_heads().key);
  EXPECT_EQ(to_hub_config(back, 16, numerics::Dtype::bf16), to_hub_config(config, 16, numerics::Dtype::bf16));
  EXPECT_EQ(back.rope_theta, config.is_llama() ? 5e5 : 1e4);
}

INSTANTIATE_TEST_SUITE_P(Architectures, HubOfArchitecture,
                         ::testing::Values(GptArchitecture::gpt2, GptArchitecture::llama),
                         [](const auto& info) {
                           return info.param == GptArchitecture::gpt2 ? "Gpt2" : "Llama";
                         });

TEST(Hub, ReadsRotaryPositionsAsVersionFiveWritesThem) {
  Json json = to_hub_config(testing::tiny(GptArchitecture::llama), 16, numerics::Dtype::fp16);
  json["rope_parameters"] = json["rope_scaling"];
  json["rope_parameters"]["rope_theta"] = 7000.0;
  json.erase("rope_scaling");
  json.erase("rope_theta");
  const GptConfig config = from_hub_config(json);
  EXPECT_EQ(config.rope_theta, 7000.0);
  EXPECT_EQ(config.rope.method, numerics::RopeScaling::Method::llama3);
  EXPECT_EQ(config.rope.original, 8);
}

// As the library does: rope_scaling wins, and the original context is the outer one, or else the context.
TEST(Hub, OfTwoPlacesOfRotaryPositionsTheOlderCounts) {
  Json json = to_hub_config(testing::tiny(GptArchitecture::llama), 16, numerics::Dtype::fp16);
  json["rope_parameters"] = {{"rope_type", "linear"}, {"factor", 3.0}, {"rope_theta", 7000.0}};
  EXPECT_EQ(from_hub_config(json).rope.method, numerics::RopeScaling::Method::llama3);
  EXPECT_EQ(from_hub_config(json).rope_theta, 10000.0);
  json["original_max_position_embeddings"] = 4;
  EXPECT_EQ(from_hub_config(json).rope.original, 4);
  json.erase("original_max_position_embeddings");
  json["rope_scaling"].erase("original_max_position_embeddings");
  EXPECT_EQ(from_hub_config(json).rope.original, 16);
  json["rope_scaling"] = Json::object();
  EXPECT_EQ(from_hub_config(json).rope.factor, 3.0);
  EXPECT_EQ(from_hub_config(json).rope_theta, 7000.0);
}

TEST(Hub, RefusesWhatEbbDoesNotHave) {
  const Json llama = to_hub_config(testing::tiny(GptArchitecture::llama), 16, numerics::Dtype::fp16);
  const Json gpt2 = to_hub_config(testing::tiny(GptArchitecture::gpt2), 16, numerics::Dtype::fp16);
  const auto with = [](Json json, const char* key, const Json& value) {
    json[key] = value;
    return refusal(json);
  };
  EXPECT_THAT(refusal(Json::array()), HasSubstr("model_type"));
  EXPECT_THAT(with(llama, "model_type", "mamba"), HasSubstr("\"mamba\""));
  EXPECT_THAT(with(llama, "hidden_act", "gelu"), HasSubstr("hidden_act is \"gelu\""));
  EXPECT_THAT(with(llama, "attention_bias", true), HasSubstr("attention_bias is true"));
  EXPECT_THAT(with(llama, "head_dim", 5), HasSubstr("head_dim is 5"));
  EXPECT_THAT(with(llama, "rope_scaling", {{"rope_type", "yarn"}}), HasSubstr("yarn"));
  EXPECT_THAT(with(llama, "hidden_size", "x"), HasSubstr("hidden_size is \"x\""));
  EXPECT_THAT(with(llama, "num_attention_heads", 0), HasSubstr("num_attention_heads is 0"));
  EXPECT_THAT(with(llama, "vocab_size", 2.5), HasSubstr("vocab_size is 2.5"));
  EXPECT_THAT(with(gpt2, "n_layer", 1e30), HasSubstr("from 1 to 4096"));
  EXPECT_THAT(with(llama, "num_hidden_layers", 4097), HasSubstr("num_hidden_layers is 4097"));
  EXPECT_THAT(with(llama, "vocab_size", 1e30), HasSubstr("from 1 to 16777216"));
  EXPECT_THAT(with(gpt2, "n_layer", nullptr), HasSubstr("n_layer is missing"));
  EXPECT_THAT(with(gpt2, "activation_function", "relu"), HasSubstr("relu"));
  EXPECT_THAT(with(gpt2, "hidden_size", 31), HasSubstr("hidden_size is 31; but n_embd"));
  EXPECT_EQ(with(gpt2, "hidden_size", 32), "");
  for (const Json& json : {llama, gpt2}) {
    EXPECT_THAT(with(json, "is_causal", false), HasSubstr("is_causal is false; ebb supports only true"));
    EXPECT_THAT(with(json, "quantization_config", {{"bits", 4}}), HasSubstr("quantization_config is {"));
  }
  EXPECT_THAT(with(llama, "rope_scaling", {{"full_attention", Json::object()}}),
              HasSubstr("full_attention is {}; ebb has one kind"));
  EXPECT_THAT(with(llama, "rope_scaling", {{"partial_rotary_factor", 0.5}}), HasSubstr("is 0.5"));
  EXPECT_THAT(with(llama, "rope_scaling", 3), HasSubstr("rope_scaling is 3"));
  EXPECT_THAT(with(llama, "layer_types", {"full_attention", "sliding_attention"}),
              HasSubstr("layer_types is"));
}

}  // namespace
}  // namespace ebb::models
