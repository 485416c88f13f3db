// SPDX-License-Identifier: Apache-2.0
#include "family/tiny_gan.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/philox.h"
#include "core/sample.h"
#include "memory/ledger.h"
#include "models/sample_writer.h"
#include "numerics/ops.h"
#include "numerics/precision.h"

namespace ebb::test {

namespace {

using numerics::Activation;

// Streams of random numbers beside those of ebb::RandomStream: one for each phase,
// since they may share a batch.
constexpr std::uint32_t kDiscriminatorNoise = 101, kGeneratorNoise = 102;
constexpr double kReal = 255, kFake = 0;  // targets as bytes

// Uniform in (-0.25, 0.25).
at::Tensor initial_values(const std::vector<std::int64_t>& dims, std::uint64_t seed,
                          std::uint32_t parameter) {
  at::Tensor out = at::empty(dims, at::kFloat);
  float* values = out.data_ptr<float>();
  for (std::int64_t i = 0; i < out.numel(); ++i)
    values[i] = static_cast<float>(
        random_bits(seed, RandomStream::initialisation, static_cast<std::uint64_t>(i), parameter)[0] /
            8589934592.0 -
        0.25);
  return out;
}

// Mean over the global batch of the cross-entropy of logits [B, 1, 1, 1] with
// one target.
at::Tensor cross_entropy(const at::Tensor& logits, double target, const core::Batch& batch) {
  return numerics::bernoulli_nll_sum(logits,
                                     at::full(logits.sizes(), target, logits.options().dtype(at::kByte))) /
         static_cast<double>(batch.global_batch);
}

// Sum of the squared gradient of a layer norm by its input [B, N].
at::Tensor norm_penalty(const at::Tensor& pixels) {
  const at::Tensor x = pixels.detach().requires_grad_(true);
  const at::Tensor w = at::ones({x.size(1)}, x.options()), b = at::zeros_like(w);
  const at::Tensor norm = numerics::layer_norm(x, w, b, 1e-5).to(at::kFloat).square().sum();
  return torch::autograd::grad({norm}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0]
      .to(at::kFloat)
      .square()
      .sum();
}

}  // namespace

void TinyGanConfig::describe(config::Section& s) {
  s.integer("latent", latent).at_least(1).doc("Width of the generator's noise.");
  s.integer("hidden", hidden).at_least(1).doc("Width of the hidden layers.");
  s.integer("fails_at", fails_at).at_least(-1).doc("Sample after which the discriminator warns.");
  s.flag("norm_penalty", norm_penalty).doc("A penalty with an op that has only first derivatives.");
}

TinyGan::TinyGan(const TinyGanConfig& config, const models::ModelInputs& inputs)
    : Model(inputs.sample),
      config_(config),
      dtype_(numerics::scalar_type(inputs.dtype)),
      device_(inputs.device),
      seed_(inputs.seed) {
  const std::int64_t pixels = sample_.at(core::kImageField).bytes();
  add(discriminator_, "hidden", config_.hidden, pixels);
  add(discriminator_, "logit", 1, config_.hidden);
  add(generator_, "hidden", config_.hidden, config_.latent);
  add(generator_, "pixels", pixels, config_.hidden);
}

void TinyGan::add(core::Unit& unit, const std::string& layer, std::int64_t outputs, std::int64_t inputs) {
  for (const bool is_bias : {false, true}) {
    const std::vector<std::int64_t> dims = is_bias ? std::vector{outputs} : std::vector{outputs, inputs};
    const memory::Tag tag(memory::Class::parameters, unit.name);
    core::Parameter parameter;
    parameter.name = unit.name + "." + layer + (is_bias ? ".bias" : ".weight");
    parameter.tensor =
        at::empty(dims, at::TensorOptions().dtype(dtype_).device(device_)).requires_grad_(true);
    parameter.decay = !is_bias;
    parameter.initial = [dims, seed = seed_, number = parameters_++] {
      return initial_values(dims, seed, number);
    };
    unit.parameters.push_back(std::move(parameter));
  }
}

at::Tensor TinyGan::generate(const at::Tensor& z, core::UnitRunner& runner) {
  return runner.run(
      generator_,
      [this](const at::Tensor& noise) {
        const auto& p = generator_.parameters;
        const at::Tensor h = numerics::linear(noise, p[0].tensor, p[1].tensor, Activation::relu);
        return numerics::linear(h, p[2].tensor, p[3].tensor).sigmoid();
      },
      z);
}

at::Tensor TinyGan::judge(const at::Tensor& pixels, core::UnitRunner& runner) {
  return runner.run(
      discriminator_,
      [this](const at::Tensor& x) {
        const auto& p = discriminator_.parameters;
        const at::Tensor h = numerics::linear(x, p[0].tensor, p[1].tensor, Activation::relu);
        return numerics::linear(h, p[2].tensor, p[3].tensor).view({-1, 1, 1, 1});
      },
      pixels);
}

core::PhasePlan TinyGan::DiscriminatorPhase::plan() const {
  core::PhasePlan plan;
  plan.trainee = name();
  plan.repeats = 2;
  return plan;
}

core::Loss TinyGan::DiscriminatorPhase::forward(const core::Batch& batch, core::UnitRunner& runner) {
  const memory::Tag tag(memory::Class::activations, "discriminator");
  const at::Tensor z =
      numerics::philox_normal(batch.size(), gan_.config_.latent, gan_.seed_, kDiscriminatorNoise,
                              batch.position, gan_.dtype_, gan_.device_);
  const at::Tensor images = numerics::to_unit_range(batch.field(core::kImageField), gan_.dtype_).flatten(1);
  const at::Tensor real = cross_entropy(gan_.judge(images, runner), kReal, batch);
  const at::Tensor fake = cross_entropy(gan_.judge(gan_.generate(z, runner), runner), kFake, batch);
  const std::int64_t failing = gan_.config_.fails_at - batch.position;
  const float fails = failing >= 0 && failing < batch.size() ? 1 : 0;
  const at::Tensor loss = gan_.config_.norm_penalty ? real + fake + norm_penalty(images) : real + fake;
  return {loss,
          {{"real", real.detach()}, {"fake", fake.detach()}, {"fails", at::full_like(real.detach(), fails)}}};
}

core::PhaseConclusion TinyGan::DiscriminatorPhase::conclude(const core::PhaseOutcome& outcome) {
  core::PhaseConclusion conclusion;
  if (outcome.terms.back().second > 0)
    conclusion.warning = fmt::format("sample {} fails", gan_.config_.fails_at);
  return conclusion;
}

core::PhasePlan TinyGan::GeneratorPhase::plan() const {
  core::PhasePlan plan;
  plan.trainee = name();
  plan.batch = core::BatchChoice::same;
  return plan;
}

core::Loss TinyGan::GeneratorPhase::forward(const core::Batch& batch, core::UnitRunner& runner) {
  const memory::Tag tag(memory::Class::activations, "generator");
  const at::Tensor z = numerics::philox_normal(batch.size(), gan_.config_.latent, gan_.seed_, kGeneratorNoise,
                                               batch.position, gan_.dtype_, gan_.device_);
  return {cross_entropy(gan_.judge(gan_.generate(z, runner), runner), kReal, batch), {}};
}

namespace {

at::Tensor to_bytes(const at::Tensor& pixels) {
  return models::on_host((pixels.to(at::kFloat) * 255.0).round().to(at::kByte));
}

}  // namespace

at::Tensor TinyGan::sample(std::int64_t first, std::int64_t count, std::uint64_t seed,
                           core::UnitRunner& runner) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "sample");
  const at::Tensor z =
      numerics::philox_normal(count, config_.latent, seed, static_cast<std::uint32_t>(RandomStream::sampling),
                              first, dtype_, device_);
  const std::vector<std::int64_t>& dims = sample_.at(core::kImageField).dims;
  return to_bytes(generate(z, runner)).view({count, dims[0], dims[1], dims[2]});
}

void TinyGan::write_samples(models::SampleSource&, models::SampleSink& sink, core::UnitRunner& runner) {
  models::write_new_images(*this, sink, runner);
}

models::Family tiny_gan_family() {
  models::Family family;
  family.name = "tiny_gan";
  family.doc = "a generative adversarial network of the tests";
  family.reads = {std::string(core::kImageField)};
  family.trainees = {"discriminator", "generator"};
  family.new_config = [] { return std::make_unique<models::FamilyConfigOf<TinyGanConfig>>(); };
  family.make_model = [](const models::FamilyConfig& config, const models::ModelInputs& inputs) {
    return std::make_unique<TinyGan>(models::config_of<TinyGanConfig>(config), inputs);
  };
  family.texts.result = [](const models::TestResult& result, const models::RunFacts&) {
    return fmt::format("test loss {:.4f} of the discriminator, mean of {} images", result.loss,
                       result.samples);
  };
  family.texts.sample_options = [](const models::RunFacts&) { return "-o more.png"; };
  family.texts.sample_files = {{"samples.png", "new images"}};
  return family;
}

namespace {

struct NoKeys {
  void describe(config::Section&) {}
};

class LabelledGan final : public TinyGan {
 public:
  explicit LabelledGan(const models::ModelInputs& inputs) : TinyGan(TinyGanConfig{}, inputs) {
    (void)inputs.sample.at(core::kLabelField);
  }
  void write_samples(models::SampleSource& source, models::SampleSink& sink, core::UnitRunner&) override {
    sink.write_images("samples.png", source.images(8), 4);
  }
};

}  // namespace

models::Family labelled_gan_family() {
  models::Family family = tiny_gan_family();
  family.name = "labelled_gan";
  family.reads.emplace_back(core::kLabelField);
  family.new_config = [] { return std::make_unique<models::FamilyConfigOf<NoKeys>>(); };
  family.make_model = [](const models::FamilyConfig&, const models::ModelInputs& inputs) {
    return std::make_unique<LabelledGan>(inputs);
  };
  return family;
}

}  // namespace ebb::test
