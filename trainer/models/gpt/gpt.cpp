// SPDX-License-Identifier: Apache-2.0
#include "models/gpt/gpt.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/philox.h"
#include "memory/ledger.h"
#include "models/gpt/parameter_reader.h"
#include "numerics/dry_gpu.h"
#include "numerics/ops.h"

namespace ebb::models {

using numerics::Activation;

namespace {

constexpr double kInitialDeviation = 0.02;
constexpr int kCounterBitsPerParameter = 40;  // of Philox, for the rows of one parameter

// Refuses a configuration that the GPU kernels do not support.
void require_on_gpu(const GptConfig& config, at::ScalarType dtype) {
  if (config.dim > numerics::kMaxNormColumnsOnGpu)
    throw Error(
        ExitCode::usage,
        fmt::format("model.dim is {}, but a norm on a GPU supports rows of at most {}: lower model.dim, or "
                    "set run.device=cpu",
                    config.dim, numerics::kMaxNormColumnsOnGpu));
  if (config.document_end) numerics::require_documents_on_gpu(config.head_width(), dtype);
}

}  // namespace

std::unique_ptr<Model> make_gpt(const FamilyConfig& config, const ModelInputs& inputs) {
  return std::make_unique<Gpt>(config_of<GptConfig>(config), inputs);
}

Gpt::Gpt(const GptConfig& config, const ModelInputs& inputs)
    : Model(inputs.sample),
      config_(config),
      tokens_(sample_.at(core::kTokensField).dims[0] - 1),
      context_(config.context_for(tokens_)),
      dtype_(numerics::scalar_type(inputs.dtype)),
      device_(inputs.device),
      seed_(inputs.seed) {
  if (tokens_ > context_)
    throw Error(
        ExitCode::usage,
        fmt::format("model.context is {}, but windows of data.context={} tokens do not fit in it: set "
                    "model.context=auto, or data.context to at most {}",
                    context_, tokens_, context_));
  if (numerics::on_gpu(device_)) require_on_gpu(config, dtype_);
  add(embedding_, "embedding.weight", {config.vocabulary, config.dim}, Init::normal);
  if (config.is_llama()) {
    const memory::Tag tag(memory::Class::parameters, "rope");
    rope_ = numerics::rope_table(tokens_, config.head_width(), config.rope_theta, config.rope).to(device_);
  } else {
    add(embedding_, "position.weight", {context_, config.dim}, Init::normal);
  }
  blocks_.resize(static_cast<std::size_t>(config.layers));
  for (std::int64_t layer = 0; layer < config.layers; ++layer) add_block(layer);
  add_norm(head_, "norm");
  if (config.tied) {
    head_.ties = {&embedding_};
  } else {
    add(head_, "head.weight", {config.vocabulary, config.dim}, Init::normal);
  }
}

void Gpt::add(core::Unit& unit, const std::string& name, std::vector<std::int64_t> shape, Init init) {
  const memory::Tag tag(memory::Class::parameters, unit.name);
  core::Parameter parameter;
  parameter.name = name;
  parameter.tensor = at::empty(shape, at::TensorOptions().dtype(dtype_).device(device_)).requires_grad_(true);
  parameter.decay = shape.size() > 1;
  // As in GPT-2: projections into the residual stream start smaller, so that it does not grow with depth.
  const double deviation = init == Init::residual && !config_.is_llama()
                               ? kInitialDeviation / std::sqrt(2.0 * static_cast<double>(config_.layers))
                               : kInitialDeviation;
  parameter.initial = [shape, init, deviation, seed = seed_, number = parameters_++] {
    if (init == Init::zeros) return at::zeros(shape, at::kFloat);
    if (init == Init::ones) return at::ones(shape, at::kFloat);
    const auto first = static_cast<std::int64_t>(number << kCounterBitsPerParameter);
    return numerics::philox_normal(shape[0], shape[1], seed,
                                   static_cast<std::uint32_t>(RandomStream::initialisation), first,
                                   at::kFloat, at::kCPU)
        .mul_(deviation);
  };
  unit.parameters.push_back(std::move(parameter));
}

void Gpt::add_norm(core::Unit& unit, const std::string& name) {
  add(unit, name + ".weight", {config_.dim}, Init::ones);
  if (!config_.is_llama()) add(unit, name + ".bias", {config_.dim}, Init::zeros);
}

void Gpt::add_dense(core::Unit& unit, const std::string& name, std::int64_t out, std::int64_t in, Init init) {
  add(unit, name + ".weight", {out, in}, init);
  if (!config_.is_llama()) add(unit, name + ".bias", {out}, Init::zeros);
}

void Gpt::add_block(std::int64_t layer) {
  core::Unit& unit = blocks_[static_cast<std::size_t>(layer)];
  unit.name = fmt::format("block.{}", layer);
  const auto heads = config_.attention_heads();
  const std::int64_t hidden = config_.feed_forward_width();
  add_norm(unit, unit.name + ".norm1");
  add_dense(unit, unit.name + ".attention.qkv", (heads.query + 2 * heads.key) * config_.head_width(),
            config_.dim);
  add_dense(unit, unit.name + ".attention.out", config_.dim, config_.dim, Init::residual);
  add_norm(unit, unit.name + ".norm2");
  if (config_.is_llama()) add_dense(unit, unit.name + ".mlp.gate", hidden, config_.dim);
  add_dense(unit, unit.name + ".mlp.up", hidden, config_.dim);
  add_dense(unit, unit.name + ".mlp.down", config_.dim, hidden, Init::residual);
}

std::vector<core::Unit*> Gpt::units() {
  std::vector<core::Unit*> all = {&embedding_};
  for (core::Unit& unit : blocks_) all.push_back(&unit);
  all.push_back(&head_);
  return all;
}

double Gpt::flops_per_sample() {
  const auto tokens = static_cast<double>(tokens_);
  return tokens * (6 * static_cast<double>(parameter_count(*this)) +
                   12 * static_cast<double>(config_.layers) * tokens * static_cast<double>(config_.dim));
}

const at::Tensor& Gpt::head_weight() const {
  return config_.tied ? embedding_.parameters.front().tensor : head_.parameters.back().tensor;
}

Gpt::Residual Gpt::Residual::of(const core::UnitRunner::Tensors& tensors) {
  const auto at = [&](std::size_t i) { return i < tensors.size() ? tensors[i] : at::Tensor(); };
  return {at(0), at(1), at(2)};
}

core::UnitRunner::Tensors Gpt::Residual::tensors() const {
  if (low.defined()) return {sum, added, low};
  if (added.defined()) return {sum, added};
  return {sum};
}

Gpt::Residual Gpt::embed(const at::Tensor& tokens, std::int64_t first_position, core::UnitRunner& runner) {
  using Tensors = core::UnitRunner::Tensors;
  return Residual::of(runner.run(
      embedding_,
      [this, first_position](const Tensors& ids) -> Tensors {
        const at::Tensor x = numerics::embed(ids[0], embedding_.parameters[0].tensor);
        if (config_.is_llama()) return {x};
        const at::Tensor positions =
            embedding_.parameters[1].tensor.narrow(0, first_position, ids[0].size(1));
        // The first norm adds them then, in two parts.
        if (has_two_parts()) return {x, positions.expand_as(x).contiguous()};
        return {x + positions};
      },
      Tensors{tokens}));
}

at::Tensor Gpt::norm(const at::Tensor& x, ParameterReader& parameters) const {
  const at::Tensor& w = parameters.next();
  return config_.is_llama() ? numerics::rms_norm(x, w, config_.norm_eps)
                            : numerics::layer_norm(x, w, parameters.next(), config_.norm_eps);
}

numerics::SplitAddNorm Gpt::norm_of(const Residual& x, ParameterReader& parameters) const {
  if (!x.added.defined()) return {x.sum, {}, norm(x.sum, parameters)};
  const at::Tensor& w = parameters.next();
  const double eps = config_.norm_eps;
  if (has_two_parts())
    return config_.is_llama()
               ? numerics::split_add_rms_norm(x.sum, x.low, x.added, w, eps)
               : numerics::split_add_layer_norm(x.sum, x.low, x.added, w, parameters.next(), eps);
  const numerics::AddNorm one = config_.is_llama()
                                    ? numerics::add_rms_norm(x.sum, x.added, w, eps)
                                    : numerics::add_layer_norm(x.sum, x.added, w, parameters.next(), eps);
  return {one.sum, {}, one.norm};
}

Gpt::Residual Gpt::block(core::Unit& unit, const Residual& x, const Attend& attend,
                         core::UnitRunner& runner) const {
  using Tensors = core::UnitRunner::Tensors;
  return Residual::of(runner.run(
      unit,
      [this, unit = &unit, attend](const Tensors& input) -> Tensors {
        ParameterReader p(*unit);
        const bool bias = !config_.is_llama();
        const auto [first, first_low, normed_first] = norm_of(Residual::of(input), p);
        at::Tensor h = attend(p.dense(normed_first, bias));
        const auto [middle, low, normed] = norm_of({first, p.dense(h, bias), first_low}, p);
        h = normed;
        if (config_.is_llama()) {
          const at::Tensor gate = p.dense(h, bias);
          h = numerics::swiglu(gate, p.dense(h, bias));
        } else {
          h = p.dense(h, bias, Activation::gelu);
        }
        return Residual{middle, p.dense(h, bias), low}.tensors();
      },
      x.tensors()));
}

core::Loss Gpt::forward(const core::Batch& batch, core::UnitRunner& runner) {
  const memory::Tag tag(memory::Class::activations, "gpt");
  const std::int64_t tokens = tokens_;
  const at::Tensor& window = batch.field(core::kTokensField);
  const at::Tensor targets = window.narrow(1, 1, tokens).to(at::kLong).flatten();
  Residual x = embed(window.narrow(1, 0, tokens), 0, runner);
  const numerics::Documents documents = documents_of(window.narrow(1, 0, tokens));
  const Attend attend = [this, documents](const at::Tensor& qkv) {
    return numerics::attention(qkv, config_.attention_heads(), rope_, documents);
  };
  const double z = at::GradMode::is_enabled() ? config_.z_loss : 0;
  for (core::Unit& unit : blocks_) x = block(unit, x, attend, runner);
  using Tensors = core::UnitRunner::Tensors;
  const at::Tensor sum = runner.run(
      head_,
      [this, targets, z](const Tensors& input) -> Tensors {
        ParameterReader p(head_);
        const at::Tensor h = norm_of(Residual::of(input), p).norm.flatten(0, 1);
        return {numerics::head_cross_entropy(h, head_weight(), targets, z)};
      },
      x.tensors())[0];
  return {numerics::times(sum, 1.0 / static_cast<double>(batch.global_batch * tokens)), {}};
}

numerics::Documents Gpt::documents_of(const at::Tensor& tokens) const {
  if (!config_.document_end) return {};
  return numerics::documents_of(tokens, *config_.document_end, device_);
}

}  // namespace ebb::models
