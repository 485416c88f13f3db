// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "models/gpt/config.h"
#include "models/model.h"
#include "numerics/ops.h"

namespace ebb::models {

// A decoder-only transformer with pre-norms:
//
//   tokens [B,T] -> embedding (+ position) x [B,T,C]
//   each block: x += out(attention(qkv(norm1(x)))); x += down(act(up(norm2(x))))
//   head: -log softmax(norm(x) W^T) of the next token; W is the embedding if tied
//
// The loss is the mean over tokens, in nats. On the CPU, training never holds all logits at once.
class Gpt final : public Model, private core::Phase, private TextSampler {
 public:
  Gpt(const GptConfig& config, const ModelInputs& inputs);

  std::vector<core::Phase*> phases() override { return {this}; }
  double flops_per_sample() override;
  TextSampler* text_sampler() override { return this; }
  void write_samples(SampleSource& source, SampleSink& sink, core::UnitRunner& runner) override {
    write_continuations(*this, source, sink, runner);
  }

 private:
  // [B, T, (heads + 2 key/value heads) D] -> [B, T, heads D]. Part of a unit's body: captures by value.
  using Attend = std::function<at::Tensor(const at::Tensor& qkv)>;
  class ParameterReader;

  const std::string& name() const override { return name_; }
  std::vector<core::Unit*> units() override;
  core::Loss forward(const core::Batch& batch, core::UnitRunner& runner) override;

  std::int64_t context() const override { return context_; }
  std::int64_t vocabulary() const override { return config_.vocabulary; }
  KeyValueCache begin(std::int64_t tokens) const override;
  at::Tensor next(const at::Tensor& tokens, KeyValueCache& cache, core::UnitRunner& runner) override;

  enum class Init { zeros, ones, normal, residual };  // residual: normal, smaller for more layers
  void add(core::Unit& unit, const std::string& name, std::vector<std::int64_t> shape, Init init);
  void add_norm(core::Unit& unit, const std::string& name);
  void add_dense(core::Unit& unit, const std::string& name, std::int64_t out, std::int64_t in,
                 Init init = Init::normal);
  void add_block(std::int64_t layer);

  at::Tensor norm(const at::Tensor& x, ParameterReader& parameters) const;
  // The residual stream between two blocks. `added` is the output of the last block. It is not added yet: the
  // norm of the next block does both in one pass. `added` is undefined before the first block, unless it is
  // the rows of the positions. In bf16 the stream has two parts (numerics::SplitAddNorm); `low` is undefined
  // in other dtypes and before the first sum.
  struct Residual {
    at::Tensor sum, added, low;
    static Residual of(const core::UnitRunner::Tensors& tensors);
    [[nodiscard]] core::UnitRunner::Tensors tensors() const;  // without those that are undefined at the end
  };
  [[nodiscard]] bool has_two_parts() const { return dtype_ == at::kBFloat16; }
  Residual embed(const at::Tensor& tokens, std::int64_t first_position, core::UnitRunner& runner);
  [[nodiscard]] numerics::SplitAddNorm norm_of(const Residual& x, ParameterReader& parameters) const;
  [[nodiscard]] Residual block(core::Unit& unit, const Residual& x, const Attend& attend,
                               core::UnitRunner& runner) const;
  [[nodiscard]] const at::Tensor& head_weight() const;
  [[nodiscard]] at::Tensor last_logits(
      const Residual& x) const;  // [vocabulary] fp32, after the last position
  // [B, T] for attention(); undefined if model.document_end is not given.
  [[nodiscard]] numerics::Documents documents_of(const at::Tensor& tokens) const;
  // Attention over the cache of one layer; qkv [1, n, ...], documents of [1, n].
  at::Tensor attend_cached(const at::Tensor& qkv, const at::Tensor& rope, const at::Tensor& keys,
                           const at::Tensor& values, std::int64_t seen,
                           const numerics::Documents& documents) const;

  const std::string name_ = "gpt";
  GptConfig config_;
  std::int64_t tokens_, context_;
  at::ScalarType dtype_;
  at::Device device_;
  std::uint64_t seed_;
  std::uint64_t parameters_ = 0;  // created so far; each draws its initial values from its own counters
  core::Unit embedding_{"embedding", {}}, head_{"head", {}};
  std::vector<core::Unit> blocks_;
  at::Tensor rope_;  // angles for data.context; undefined for gpt2
};

std::unique_ptr<Model> make_gpt(const FamilyConfig& config, const ModelInputs& inputs);

}  // namespace ebb::models
