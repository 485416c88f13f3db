// SPDX-License-Identifier: Apache-2.0
#include "models/gpt/hub.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "models/gpt/hub_keys.h"

namespace ebb::models {

namespace {

using Json = nlohmann::json;
using Method = numerics::RopeScaling::Method;

class Gpt2Names {
 public:
  Gpt2Names(const GptConfig& c, std::int64_t context, std::vector<HubTensor>& out) : c_(c), out_(out) {
    out_.push_back({"transformer.wte.weight", {c.vocabulary, c.dim}, "embedding.weight"});
    out_.push_back({"transformer.wpe.weight", {context, c.dim}, "position.weight"});
    const std::int64_t hidden = c.feed_forward_width();
    for (std::int64_t layer = 0; layer < c.layers; ++layer) {
      const std::string theirs = fmt::format("transformer.h.{}.", layer),
                        ours = fmt::format("block.{}.", layer);
      norm(theirs + "ln_1", ours + "norm1");
      dense(theirs + "attn.c_attn", ours + "attention.qkv", 3 * c.dim, c.dim);
      dense(theirs + "attn.c_proj", ours + "attention.out", c.dim, c.dim);
      norm(theirs + "ln_2", ours + "norm2");
      dense(theirs + "mlp.c_fc", ours + "mlp.up", hidden, c.dim);
      dense(theirs + "mlp.c_proj", ours + "mlp.down", c.dim, hidden);
    }
    norm("transformer.ln_f", "norm");
  }

 private:
  void norm(const std::string& theirs, const std::string& ours) {
    for (const char* of : {".weight", ".bias"}) out_.push_back({theirs + of, {c_.dim}, ours + of});
  }
  // GPT-2 stores its weights as [in, out].
  void dense(const std::string& theirs, const std::string& ours, std::int64_t out, std::int64_t in) {
    out_.push_back({theirs + ".weight", {in, out}, ours + ".weight", 0, true});
    out_.push_back({theirs + ".bias", {out}, ours + ".bias"});
  }
  const GptConfig& c_;
  std::vector<HubTensor>& out_;
};

void llama_names(const GptConfig& c, std::vector<HubTensor>& out) {
  const auto heads = c.attention_heads();
  const std::int64_t q = heads.query * c.head_width(), k = heads.key * c.head_width();
  const std::int64_t hidden = c.feed_forward_width();
  out.push_back({"model.embed_tokens.weight", {c.vocabulary, c.dim}, "embedding.weight"});
  for (std::int64_t layer = 0; layer < c.layers; ++layer) {
    const auto add = [&](const char* theirs, std::vector<std::int64_t> shape, const char* ours,
                         std::int64_t first = 0) {
      out.push_back({fmt::format("model.layers.{}.{}.weight", layer, theirs), std::move(shape),
                     fmt::format("block.{}.{}.weight", layer, ours), first});
    };
    add("input_layernorm", {c.dim}, "norm1");
    add("self_attn.q_proj", {q, c.dim}, "attention.qkv");
    add("self_attn.k_proj", {k, c.dim}, "attention.qkv", q);
    add("self_attn.v_proj", {k, c.dim}, "attention.qkv", q + k);
    add("self_attn.o_proj", {c.dim, q}, "attention.out");
    add("post_attention_layernorm", {c.dim}, "norm2");
    add("mlp.gate_proj", {hidden, c.dim}, "mlp.gate");
    add("mlp.up_proj", {hidden, c.dim}, "mlp.up");
    add("mlp.down_proj", {c.dim, hidden}, "mlp.down");
  }
  out.push_back({"model.norm.weight", {c.dim}, "norm.weight"});
}

void read_rope(const Json& json, GptConfig& c) {
  // Version 5 of transformers has all values in rope_parameters; earlier versions use two places. Where a
  // file has both, the library takes rope_scaling alone.
  const Json older = hub_object(json, "rope_scaling");
  const Json all = older.empty() ? hub_object(json, "rope_parameters") : older;
  for (const auto& [key, value] : all.items())
    if (value.is_object()) refuse_hub_key(key, value, "ebb has one kind of rotary positions in all layers");
  c.rope_theta = hub_value<double>(all, "rope_theta", hub_value<double>(json, "rope_theta", 10000.0));
  for (const Json& place : {all, json}) require_one_of(place, "partial_rotary_factor", {1.0});
  const auto kind = hub_value<std::string>(all, "rope_type", hub_value<std::string>(all, "type", "default"));
  if (kind == "default") return;
  if (kind != "linear" && kind != "llama3")
    throw Error(ExitCode::usage, fmt::format("config.json: rope_type is {}; ebb supports default, linear "
                                             "and llama3",
                                             kind));
  c.rope.method = kind == "linear" ? Method::linear : Method::llama3;
  c.rope.factor = hub_number(all, "factor");
  if (c.rope.method == Method::linear) return;
  c.rope.low = hub_number(all, "low_freq_factor");
  c.rope.high = hub_number(all, "high_freq_factor");
  // The one beside the object wins, and without any it is the context.
  constexpr const char* kOriginal = "original_max_position_embeddings";
  c.rope.original = hub_size(json, kOriginal, hub_size(all, kOriginal, c.context));
}

GptConfig read_gpt2(const Json& json) {
  GptConfig c;
  c.vocabulary = hub_size(json, "vocab_size");
  c.context = hub_size(json, "n_positions", 1024);
  c.dim = hub_size(json, "n_embd");
  c.layers = hub_size(json, "n_layer", std::nullopt, kMostGptLayers);
  c.heads = hub_size(json, "n_head");
  c.feed_forward = hub_size(json, "n_inner", 4 * c.dim);
  c.norm_eps = hub_value<double>(json, "layer_norm_epsilon", 1e-5);
  c.tied = hub_value<bool>(json, "tie_word_embeddings", true);
  require_one_of(json, "activation_function", {"gelu_new", "gelu_pytorch_tanh"});
  require_one_of(json, "scale_attn_weights", {true});
  require_one_of(json, "scale_attn_by_inverse_layer_idx", {false});
  require_same_size(json, "hidden_size", "n_embd", c.dim);
  require_same_size(json, "num_hidden_layers", "n_layer", c.layers);
  require_same_size(json, "num_attention_heads", "n_head", c.heads);
  require_same_size(json, "max_position_embeddings", "n_positions", *c.context);
  return c;
}

GptConfig read_llama(const Json& json) {
  GptConfig c;
  c.architecture = GptArchitecture::llama;
  c.vocabulary = hub_size(json, "vocab_size");
  c.context = hub_size(json, "max_position_embeddings", 2048);
  c.dim = hub_size(json, "hidden_size");
  c.layers = hub_size(json, "num_hidden_layers", std::nullopt, kMostGptLayers);
  c.heads = hub_size(json, "num_attention_heads");
  c.kv_heads = hub_size(json, "num_key_value_heads", c.heads);
  c.feed_forward = hub_size(json, "intermediate_size");
  c.norm_eps = hub_value<double>(json, "rms_norm_eps", 1e-6);
  c.tied = hub_value<bool>(json, "tie_word_embeddings", false);
  require_one_of(json, "hidden_act", {"silu", "swish"});
  require_one_of(json, "attention_bias", {false});
  require_one_of(json, "mlp_bias", {false});
  require_one_of(json, "head_dim", {c.dim / c.heads});
  if (const auto types = hub_value<std::vector<std::string>>(json, "layer_types", {});
      std::ranges::any_of(types, [](const std::string& type) { return type != "full_attention"; }))
    refuse_hub_key("layer_types", json.at("layer_types"), "ebb supports only \"full_attention\"");
  read_rope(json, c);
  return c;
}

}  // namespace

std::vector<HubTensor> hub_tensors(const GptConfig& config, std::int64_t context) {
  std::vector<HubTensor> out;
  if (config.is_llama()) {
    llama_names(config, out);
  } else {
    Gpt2Names(config, context, out);
  }
  if (!config.tied) out.push_back({"lm_head.weight", {config.vocabulary, config.dim}, "head.weight"});
  return out;
}

Json to_hub_config(const GptConfig& c, std::int64_t context, numerics::Dtype dtype) {
  const char* const type = dtype == numerics::Dtype::fp16   ? "float16"
                           : dtype == numerics::Dtype::bf16 ? "bfloat16"
                                                            : "float32";
  Json json = {{"vocab_size", c.vocabulary},
               {"tie_word_embeddings", c.tied},
               {"torch_dtype", type},
               {"bos_token_id", nullptr},
               {"eos_token_id", nullptr}};
  if (!c.is_llama()) {
    json.update({{"model_type", "gpt2"},
                 {"architectures", {"GPT2LMHeadModel"}},
                 {"n_positions", context},
                 {"n_embd", c.dim},
                 {"n_layer", c.layers},
                 {"n_head", c.heads},
                 {"n_inner", c.feed_forward_width()},
                 {"activation_function", "gelu_new"},
                 {"layer_norm_epsilon", c.norm_eps},
                 {"embd_pdrop", 0.0},
                 {"attn_pdrop", 0.0},
                 {"resid_pdrop", 0.0}});
    return json;
  }
  json.update({{"model_type", "llama"},
               {"architectures", {"LlamaForCausalLM"}},
               {"max_position_embeddings", context},
               {"hidden_size", c.dim},
               {"num_hidden_layers", c.layers},
               {"num_attention_heads", c.heads},
               {"num_key_value_heads", c.attention_heads().key},
               {"head_dim", c.head_width()},
               {"intermediate_size", c.feed_forward_width()},
               {"hidden_act", "silu"},
               {"rms_norm_eps", c.norm_eps},
               {"attention_bias", false},
               {"mlp_bias", false},
               {"rope_theta", c.rope_theta}});
  if (c.rope.method == Method::linear)
    json["rope_scaling"] = {{"rope_type", "linear"}, {"factor", c.rope.factor}};
  if (c.rope.method == Method::llama3)
    json["rope_scaling"] = {{"rope_type", "llama3"},
                            {"factor", c.rope.factor},
                            {"low_freq_factor", c.rope.low},
                            {"high_freq_factor", c.rope.high},
                            {"original_max_position_embeddings", c.rope.original}};
  return json;
}

GptConfig from_hub_config(const Json& json) {
  const auto type = json.is_object() ? hub_value<std::string>(json, "model_type", "") : "";
  if (type == "gpt2" || type == "llama") {
    require_plain_decoder(json);
    return type == "gpt2" ? read_gpt2(json) : read_llama(json);
  }
  throw Error(ExitCode::usage,
              fmt::format("config.json: model_type is \"{}\"; ebb reads gpt2 and llama", type));
}

}  // namespace ebb::models
