// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <memory>
#include <string>

#include "models/built_in.h"
#include "models/gpt/config.h"
#include "models/model.h"

namespace ebb::models::testing {

inline constexpr std::int64_t kTokens = 10;  // T

inline GptConfig tiny(GptArchitecture architecture) {
  GptConfig config;
  config.architecture = architecture;
  config.vocabulary = 37;
  config.context = 16;
  config.layers = 2;
  config.heads = 4;
  config.dim = 32;
  config.tied = architecture == GptArchitecture::gpt2;
  if (config.is_llama()) {
    config.kv_heads = 2;
    config.rope.method = numerics::RopeScaling::Method::llama3;
    config.rope.original = 8;
  }
  return config;
}

inline ModelConfig model_config(const GptConfig& gpt) {
  ModelConfig config(built_in_families());
  config.choose("gpt", std::make_unique<FamilyConfigOf<GptConfig>>(gpt));
  return config;
}

// With parameters of a size at which every part of the model matters, biases included.
inline std::unique_ptr<Model> make(const GptConfig& gpt, numerics::Dtype dtype = numerics::Dtype::fp32) {
  const ModelConfig config = model_config(gpt);
  auto model = make_model(config, core::SampleSpec{{core::tokens_field(kTokens)}}, dtype, at::kCPU, 7);
  const at::NoGradGuard no_grad;
  at::manual_seed(5);
  for (core::Phase* phase : model->phases())
    for (core::Unit* unit : phase->units())
      for (core::Parameter& p : unit->parameters) {
        const at::Tensor noise = at::randn(p.tensor.sizes(), at::kFloat);
        const bool scale = p.tensor.dim() == 1 && p.name.ends_with("weight");
        p.tensor.copy_(noise * 0.2 + (scale ? 1.0 : 0.0));
      }
  return model;
}

inline core::Batch batch_of(std::int64_t first, std::int64_t count, std::int64_t global) {
  at::manual_seed(3);
  core::Batch batch;
  batch.fields = {{std::string(core::kTokensField),
                   at::randint(0, 37, {global, kTokens + 1}, at::kInt).narrow(0, first, count)}};
  batch.position = first;
  batch.global_batch = global;
  return batch;
}

// The same model in LibTorch's own operators: logits [B, T, V] of tokens [B, T].
class Reference {
 public:
  Reference(Model& model, const GptConfig& config) : config_(config), p_(model.state().tensors) {}

  [[nodiscard]] at::Tensor logits(const at::Tensor& tokens) const {
    const std::int64_t n = tokens.size(1);
    at::Tensor hidden = at::ones({n, n}, at::kBool).triu(1);  // [B, 1, T, T] or [T, T]
    if (config_.document_end) {
      const at::Tensor document = tokens.eq(*config_.document_end).cumsum(1);
      hidden = hidden.logical_or(document.unsqueeze(2).ne(document.unsqueeze(1))).unsqueeze(1);
    }
    at::Tensor x = at::embedding(p_.at("embedding.weight"), tokens);
    if (!config_.is_llama()) x = x + p_.at("position.weight").narrow(0, 0, tokens.size(1));
    for (std::int64_t layer = 0; layer < config_.layers; ++layer) {
      const std::string name = "block." + std::to_string(layer) + ".";
      x = x + dense(attention(dense(norm(x, name + "norm1"), name + "attention.qkv"), hidden),
                    name + "attention.out");
      const at::Tensor h = norm(x, name + "norm2");
      const at::Tensor up = dense(h, name + "mlp.up");
      const at::Tensor inner =
          config_.is_llama() ? at::silu(dense(h, name + "mlp.gate")) * up : at::gelu(up, "tanh");
      x = x + dense(inner, name + "mlp.down");
    }
    return at::linear(norm(x, "norm"), p_.at(config_.tied ? "embedding.weight" : "head.weight"));
  }

  [[nodiscard]] at::Tensor loss(const core::Batch& batch) const {
    const at::Tensor all = batch.field(core::kTokensField).to(at::kLong);
    const at::Tensor out = logits(all.narrow(1, 0, kTokens)).flatten(0, 1);
    const at::Tensor sum =
        at::cross_entropy_loss(out, all.narrow(1, 1, kTokens).flatten(), {}, at::Reduction::Sum) +
        config_.z_loss * out.logsumexp(1).square().sum();
    return sum / static_cast<double>(batch.global_batch * kTokens);
  }

 private:
  [[nodiscard]] at::Tensor dense(const at::Tensor& x, const std::string& name) const {
    const auto bias = p_.find(name + ".bias");
    return at::linear(x, p_.at(name + ".weight"), bias == p_.end() ? at::Tensor() : bias->second);
  }
  [[nodiscard]] at::Tensor norm(const at::Tensor& x, const std::string& name) const {
    const at::Tensor& w = p_.at(name + ".weight");
    if (config_.is_llama()) return x * at::rsqrt(x.square().mean(-1, true) + config_.norm_eps) * w;
    return at::layer_norm(x, {config_.dim}, w, p_.at(name + ".bias"), config_.norm_eps);
  }
  [[nodiscard]] at::Tensor attention(const at::Tensor& qkv, const at::Tensor& hidden) const {
    const auto heads = config_.attention_heads();
    const std::int64_t n = qkv.size(1), width = config_.head_width();
    const auto part = qkv.view({qkv.size(0), n, -1, width}).split({heads.query, heads.key, heads.key}, 2);
    const auto each = [&](const at::Tensor& x) {  // [B, query heads, T, D]
      return x.repeat_interleave(heads.query / x.size(2), 2).transpose(1, 2);
    };
    const at::Tensor scores =
        at::matmul(each(turned(part[0])), each(turned(part[1])).transpose(2, 3)) / std::sqrt(double(width));
    const at::Tensor out = at::matmul(scores.masked_fill(hidden, -INFINITY).softmax(-1), each(part[2]));
    return out.transpose(1, 2).reshape({qkv.size(0), n, heads.query * width});
  }
  // Llama 3.1's rotary positions, implemented a second time.
  [[nodiscard]] at::Tensor turned(const at::Tensor& x) const {
    if (!config_.is_llama()) return x;
    const std::int64_t n = x.size(1), width = x.size(3);
    at::Tensor frequency =
        at::pow(config_.rope_theta, -at::arange(0, width, 2, at::kDouble) / static_cast<double>(width));
    const auto& s = config_.rope;
    if (s.method == numerics::RopeScaling::Method::llama3) {
      const at::Tensor length = 2 * M_PI / frequency;
      const at::Tensor smooth = (static_cast<double>(s.original) / length - s.low) / (s.high - s.low);
      const at::Tensor mixed = (1 - smooth) * frequency / s.factor + smooth * frequency;
      frequency = at::where(length > static_cast<double>(s.original) / s.low, frequency / s.factor,
                            at::where(length < static_cast<double>(s.original) / s.high, frequency, mixed));
    }
    const at::Tensor angle = at::outer(at::arange(n, at::kDouble), frequency);
    const at::Tensor both = at::cat({angle, angle}, -1).unsqueeze(1);  // [T, 1, D]
    const auto halves = x.chunk(2, -1);
    return x * both.cos().to(at::kFloat) + at::cat({-halves[1], halves[0]}, -1) * both.sin().to(at::kFloat);
  }

  GptConfig config_;
  std::map<std::string, at::Tensor> p_;
};

}  // namespace ebb::models::testing
