// SPDX-License-Identifier: Apache-2.0
#include "models/gan/gan.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "base/philox.h"
#include "models/built_in.h"
#include "models/gan/losses.h"
#include "models/gan_reference.h"
#include "numerics/ops.h"

namespace ebb::models {
namespace {

using testing::GanReference;
using ::testing::HasSubstr;

constexpr std::int64_t kSide = 16, kImages = 6;

GanConfig tiny(GanArchitecture architecture, bool conditional = false) {
  GanConfig config;
  config.architecture = architecture;
  config.latent = 8, config.width = 8, config.max_width = 16, config.group_width = 4;
  config.conditional = conditional, config.classes = 3;
  config.penalty.r1 = 0.7, config.penalty.r2 = 0.3;
  return config;
}

std::vector<GanConfig> configs() {
  return {tiny(GanArchitecture::residual), tiny(GanArchitecture::residual, true),
          tiny(GanArchitecture::dcgan), tiny(GanArchitecture::dcgan, true)};
}

core::SampleSpec spec(const GanConfig& config) {
  core::SampleSpec all{{core::image_field(1, kSide, kSide)}};
  if (config.conditional) all.fields.push_back(core::label_field());
  return all;
}

// With small values in the weights that begin at zero, so that every layer matters.
std::unique_ptr<Model> make(const GanConfig& gan, numerics::Dtype dtype) {
  ModelConfig config(built_in_families());
  config.choose("gan", std::make_unique<FamilyConfigOf<GanConfig>>(gan));
  auto model = make_model(config, spec(gan), dtype, at::kCPU, 7);
  const at::NoGradGuard no_grad;
  at::manual_seed(1);
  for (core::Parameter& p : all_parameters(*model)) {
    at::Tensor initial = p.initial();
    const at::Tensor other = at::randn(initial.sizes()) * 0.1;
    if (initial.abs().sum().item<float>() == 0) initial = other;
    p.tensor.copy_(initial);
  }
  return model;
}

core::Batch batch_of(const GanConfig& config, std::int64_t first = 0, std::int64_t count = kImages) {
  at::manual_seed(3);
  core::Batch batch;
  const at::Tensor images = at::randint(0, 256, {kImages, 1, kSide, kSide}, at::kByte);
  const at::Tensor labels = at::randint(0, config.classes, {kImages}, at::kLong);
  batch.fields = {{std::string(core::kImageField), images.narrow(0, first, count)}};
  if (config.conditional)
    batch.fields.push_back({std::string(core::kLabelField), labels.narrow(0, first, count)});
  batch.position = first;
  batch.global_batch = kImages;
  return batch;
}

// The phase's gradients by name.
std::map<std::string, at::Tensor> gradients(Model& model, core::Phase& phase, const core::Batch& batch) {
  core::PlainRunner runner;
  phase.forward(batch, runner).loss.backward();
  std::map<std::string, at::Tensor> found;
  for (core::Unit* unit : phase.units())
    for (core::Parameter& p : unit->parameters) {
      EXPECT_TRUE(p.tensor.grad().defined()) << p.name;
      found[p.name] = p.tensor.grad().clone();
      p.tensor.mutable_grad() = at::Tensor();
    }
  for (const auto& [name, tensor] : model.state().tensors) tensor.mutable_grad() = at::Tensor();
  return found;
}

at::Tensor real_images(const core::Batch& batch, at::ScalarType dtype) {
  return batch.field(core::kImageField).to(dtype) / 127.5 - 1;
}

at::Tensor labels_of(const core::Batch& batch, const GanConfig& config) {
  return config.conditional ? batch.field(core::kLabelField) : at::Tensor();
}

GanReference reference_of(Model& model, const GanConfig& config, at::ScalarType dtype) {
  GanReference::Parameters all;
  for (const auto& [name, tensor] : model.state().tensors)
    all[name] = tensor.detach().to(dtype).requires_grad_();
  return {config, kSide, all};
}

// The gradients of the discriminator's loss with both penalties, by LibTorch. `generated` are the images that
// the model under test made.
std::map<std::string, at::Tensor> reference_gradients(const GanReference& reference, const GanConfig& config,
                                                      const core::Batch& batch, const at::Tensor& generated,
                                                      at::ScalarType dtype) {
  const at::Tensor real = real_images(batch, dtype).requires_grad_();
  const at::Tensor fake = generated.detach().to(dtype).requires_grad_();
  const at::Tensor labels = labels_of(batch, config);
  const at::Tensor r = reference.logits(real, labels), f = reference.logits(fake, labels);
  const auto penalty = [](const at::Tensor& logits, const at::Tensor& x) {
    return torch::autograd::grad({logits.sum()}, {x}, {}, true, true)[0].square().sum() / kImages;
  };
  const at::Tensor loss = at::softplus(f - r).sum() / kImages + penalty(r, real) * (config.penalty.r1 / 2) +
                          penalty(f, fake) * (config.penalty.r2 / 2);
  loss.backward();
  std::map<std::string, at::Tensor> found;
  for (const auto& [name, tensor] : reference.parameters())
    if (name.starts_with("discriminator")) found[name] = tensor.grad();
  return found;
}

at::Tensor generated_by(Model& model, const GanConfig& config, const core::Batch& batch,
                        const GanReference& reference, at::ScalarType dtype) {
  (void)model;
  const at::NoGradGuard no_grad;
  const at::Tensor noise = numerics::philox_normal(batch.size(), config.latent, 7,
                                                   static_cast<std::uint32_t>(RandomStream::latent),
                                                   batch.position, at::kFloat, at::kCPU);
  return reference.images(noise.to(dtype), labels_of(batch, config));
}

double distance(const at::Tensor& a, const at::Tensor& b) {
  return ((a.to(at::kDouble) - b.to(at::kDouble)).norm() / (b.to(at::kDouble).norm() + 1e-30)).item<double>();
}

// Over all parameters together.
double distance(const std::map<std::string, at::Tensor>& a, const std::map<std::string, at::Tensor>& b) {
  std::vector<at::Tensor> left, right;
  for (const auto& [name, tensor] : b) {
    left.push_back(a.at(name).to(at::kDouble).flatten());
    right.push_back(tensor.to(at::kDouble).flatten());
  }
  return distance(at::cat(left), at::cat(right));
}

TEST(Gan, TheWholePenaltyIsAsCloseToFp64AsTheFrameworksInFp32) {
  for (const GanConfig& config : configs()) {
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture) << config.conditional);
    const auto model = make(config, numerics::Dtype::fp32);
    const core::Batch batch = batch_of(config);
    const auto ours = gradients(*model, *model->phases()[0], batch);
    const GanReference exact = reference_of(*model, config, at::kDouble),
                       single = reference_of(*model, config, at::kFloat);
    const auto in_fp64 = reference_gradients(
        exact, config, batch, generated_by(*model, config, batch, exact, at::kDouble), at::kDouble);
    const auto in_fp32 = reference_gradients(
        single, config, batch, generated_by(*model, config, batch, single, at::kFloat), at::kFloat);
    ASSERT_EQ(ours.size(), in_fp64.size());
    EXPECT_LE(distance(ours, in_fp64), 2 * distance(in_fp32, in_fp64));
    // A bias sums over all pixels, one after the other.
    for (const auto& [name, tensor] : in_fp64) EXPECT_LE(distance(ours.at(name), tensor), 1e-5) << name;
  }
}

TEST(Gan, TheGeneratorsGradientsAreTheFrameworks) {
  for (const GanConfig& config : configs()) {
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture) << config.conditional);
    const auto model = make(config, numerics::Dtype::fp32);
    const core::Batch batch = batch_of(config);
    const auto ours = gradients(*model, *model->phases()[1], batch);
    const GanReference exact = reference_of(*model, config, at::kDouble);
    const at::Tensor noise = numerics::philox_normal(
        batch.size(), config.latent, 7, static_cast<std::uint32_t>(RandomStream::generator_latent),
        batch.position, at::kFloat, at::kCPU);
    const at::Tensor labels = labels_of(batch, config);
    const at::Tensor f = exact.logits(exact.images(noise.to(at::kDouble), labels), labels);
    const at::Tensor r = exact.logits(real_images(batch, at::kDouble), labels).detach();
    (at::softplus(r - f).sum() / kImages).backward();
    for (const auto& [name, tensor] : ours)
      EXPECT_LE(distance(tensor, exact.parameters().at(name).grad()), 1e-4) << name;
  }
}

TEST(Gan, SixteenBitPenaltyGradientsAreNearThoseOfFp32) {
  for (const GanConfig& config : configs())
    for (const auto& [dtype, bound] :
         {std::pair{numerics::Dtype::fp16, 0.02}, std::pair{numerics::Dtype::bf16, 0.15}}) {
      SCOPED_TRACE(::testing::Message()
                   << static_cast<int>(config.architecture) << config.conditional << static_cast<int>(dtype));
      const auto half = make(config, dtype), full = make(config, numerics::Dtype::fp32);
      const at::NoGradGuard no_grad;
      for (auto& [name, tensor] : full->state().tensors) tensor.copy_(half->state().tensors.at(name));
      const at::AutoGradMode grad(true);
      const core::Batch batch = batch_of(config);
      EXPECT_LE(
          distance(gradients(*half, *half->phases()[0], batch), gradients(*full, *full->phases()[0], batch)),
          bound);
    }
}

// The norms are those of the gradients of all draws together.
TEST(Gan, OverTwoHundredDrawsFp16PenaltyGradientsAreWithinTwoPercentOfFp32s) {
  const GanConfig config = tiny(GanArchitecture::residual, true);
  const auto half = make(config, numerics::Dtype::fp16), full = make(config, numerics::Dtype::fp32);
  {
    const at::NoGradGuard no_grad;
    for (auto& [name, tensor] : full->state().tensors) tensor.copy_(half->state().tensors.at(name));
  }
  double squared_error = 0, squared_norm = 0;
  for (std::int64_t draw = 0; draw < 200; ++draw) {
    core::Batch batch = batch_of(config);
    at::manual_seed(100 + static_cast<std::uint64_t>(draw));
    batch.fields[0].tensor = at::randint(0, 256, {kImages, 1, kSide, kSide}, at::kByte);
    batch.position = draw * kImages;
    const auto ours = gradients(*half, *half->phases()[0], batch);
    for (const auto& [name, exact] : gradients(*full, *full->phases()[0], batch)) {
      squared_error += (ours.at(name).to(at::kDouble) - exact).square().sum().item<double>();
      squared_norm += exact.to(at::kDouble).square().sum().item<double>();
    }
  }
  EXPECT_LE(std::sqrt(squared_error / squared_norm), 0.02);
}

nlohmann::json inner_scale_of(Model& model) {
  return model.state().values.at("inner_scale");
}

TEST(Gan, AnInnerGradientThatOverflowsLowersItsOwnScaleUntilItFits) {
  const GanConfig config = tiny(GanArchitecture::residual);
  const auto model = make(config, numerics::Dtype::fp16);
  nlohmann::json values = model->state().values;
  constexpr double kTooLarge = 1 << 30;
  values["inner_scale"]["scale"] = kTooLarge;
  model->restore(values);
  core::Phase& phase = *model->phases()[0];
  core::PlainRunner runner;
  const core::Batch batch = batch_of(config);
  double scale = kTooLarge;
  for (int tries = 0; tries < 30; ++tries) {
    std::vector<std::pair<std::string, double>> terms;
    const core::Loss loss = phase.forward(batch, runner);
    for (const auto& [name, value] : loss.terms) terms.emplace_back(name, value.item<double>());
    const bool finite = std::isfinite(loss.loss.item<double>());
    const core::PhaseVerdict verdict = phase.conclude({loss.loss.item<double>(), terms, finite});
    if (finite) {
      EXPECT_EQ(verdict.overflowed_scale, "");
      EXPECT_GT(tries, 0);
      break;
    }
    EXPECT_EQ(verdict.overflowed_scale, fmt::format("inner gradient scale {:g}", scale));
    scale /= 2;
    EXPECT_EQ(inner_scale_of(*model).at("scale"), scale);
  }
  EXPECT_LT(scale, kTooLarge / 2);
}

TEST(Gan, AGradientThatOverflowsWhileTheLossIsFiniteIsNotItsScales) {
  const auto model = make(tiny(GanArchitecture::residual), numerics::Dtype::fp16);
  const double before = inner_scale_of(*model).at("scale");
  const std::vector<std::pair<std::string, double>> terms = {{"adversarial", 0.7}, {"r1", 1}, {"r2", 1}};
  EXPECT_EQ(model->phases()[0]->conclude({0.8, terms, false}).overflowed_scale, "");
  EXPECT_EQ(inner_scale_of(*model).at("scale"), before);
}

TEST(Gan, LossesOfMicroBatchesSumToTheBatch) {
  const GanConfig config = tiny(GanArchitecture::residual, true);
  const auto model = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  for (core::Phase* phase : model->phases()) {
    const auto loss = [&](std::int64_t first, std::int64_t count) {
      return phase->forward(batch_of(config, first, count), runner).loss.item<double>();
    };
    EXPECT_NEAR(loss(0, 2) + loss(2, 4), loss(0, 6), 1e-4 * std::abs(loss(0, 6)));
  }
}

TEST(Gan, ALazyPenaltyAppearsEveryNthStepMultipliedByN) {
  GanConfig config = tiny(GanArchitecture::residual);
  config.penalty.every = 4;
  const auto model = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  core::Batch batch = batch_of(config);
  const auto terms = [&](std::int64_t step) {
    batch.step = step;
    return model->phases()[0]->forward(batch, runner).terms;
  };
  EXPECT_EQ(terms(1).size(), 4U);
  const auto lazy = terms(4);
  ASSERT_EQ(lazy.size(), 6U);
  EXPECT_EQ(lazy[2].first, "r1");
  config.penalty.every = 1;
  const auto every = make(config, numerics::Dtype::fp32)->phases()[0]->forward(batch, runner).terms;
  EXPECT_NEAR(lazy[2].second.item<double>(), 4 * every[2].second.item<double>(),
              1e-4 * lazy[2].second.item<double>());
}

TEST(Gan, TheGradientPenaltyIsZeroForASlopeOfOne) {
  const at::Tensor x = at::randn({5, 7}).requires_grad_();
  const at::Tensor direction = at::randn({7});
  const at::Tensor f = at::matmul(x, direction / direction.norm()).sum();
  EXPECT_LE((squared_gradients(f, x, 1) - 1).abs().max().item<float>(), 1e-5);
}

TEST(Gan, SamplesArePixelsThatDependOnSeedAlone) {
  for (const GanConfig& config : configs()) {
    const auto model = make(config, numerics::Dtype::fp16);
    core::PlainRunner runner;
    const at::Tensor one = model->image_sampler()->sample(0, 5, 1, runner);
    EXPECT_EQ(one.sizes(), (std::vector<std::int64_t>{5, 1, kSide, kSide}));
    EXPECT_EQ(one.scalar_type(), at::kByte);
    EXPECT_TRUE(at::equal(one, model->image_sampler()->sample(0, 5, 1, runner)));
    EXPECT_FALSE(at::equal(one, model->image_sampler()->sample(0, 5, 2, runner)));
    EXPECT_TRUE(at::equal(one.narrow(0, 2, 3), model->image_sampler()->sample(2, 3, 1, runner)));
  }
}

void expect_refused(const core::SampleSpec& sample, const std::string& text) {
  ModelConfig config(built_in_families());
  config.choose("gan");
  try {
    make_model(config, sample, numerics::Dtype::fp32, at::kCPU, 1);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), HasSubstr(text));
  }
}

TEST(Gan, RefusesImagesThatItCannotMake) {
  expect_refused({{core::image_field(1, 28, 28)}}, "28 x 28");
  expect_refused({{core::image_field(1, 32, 16)}}, "32 x 16");
  expect_refused({{core::image_field(1, 8, 8)}}, "8 x 8");
  expect_refused({{core::image_field(5, 32, 32)}}, "have 5");
}

}  // namespace
}  // namespace ebb::models
