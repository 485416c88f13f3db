// SPDX-License-Identifier: Apache-2.0
#include "models/vae/vae.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "models/built_in.h"
#include "models/model.h"

namespace ebb::models {
namespace {

constexpr std::uint64_t kSeed = 7;
constexpr Likelihood kLikelihoods[] = {Likelihood::bernoulli, Likelihood::gaussian,
                                       Likelihood::discretized_logistic};

std::unique_ptr<Model> make(numerics::Dtype dtype, VaeConfig vae = {8, 8, 16, 1.0},
                            const core::SampleSpec& size = core::SampleSpec{{core::image_field(1, 12, 8)}}) {
  ModelConfig config(built_in_families());
  config.choose("vae", std::make_unique<FamilyConfigOf<VaeConfig>>(vae));
  auto model = make_model(config, size, dtype, at::kCPU, kSeed);
  const at::NoGradGuard no_grad;
  for (core::Phase* phase : model->phases())
    for (core::Unit* unit : phase->units())
      for (core::Parameter& p : unit->parameters) p.tensor.copy_(p.initial());
  return model;
}

core::Batch batch_of(std::int64_t first, std::int64_t count, std::int64_t global) {
  at::manual_seed(3);
  const at::Tensor all = at::randint(0, 256, {global, 1, 12, 8}, at::kByte);
  core::Batch batch;
  batch.fields = {{std::string(core::kImageField), all.narrow(0, first, count)}};
  batch.position = first;
  batch.global_batch = global;
  return batch;
}

double loss_of(Model& model, const core::Batch& batch) {
  core::PlainRunner runner;
  return model.phases().front()->forward(batch, runner).loss.item<double>();
}

TEST(Vae, LossIsReconstructionPlusWeightedKl) {
  const auto model = make(numerics::Dtype::fp32, {8, 8, 16, 0.5});
  core::PlainRunner runner;
  const core::Loss loss = model->phases().front()->forward(batch_of(0, 6, 6), runner);
  ASSERT_EQ(loss.terms.size(), 2U);
  EXPECT_EQ(loss.terms[0].first, "reconstruction");
  EXPECT_EQ(loss.terms[1].first, "kl");
  EXPECT_FLOAT_EQ(loss.loss.item<float>(),
                  loss.terms[0].second.item<float>() + 0.5F * loss.terms[1].second.item<float>());
  // Untrained logits are near 0: ln 2 nats per pixel.
  EXPECT_NEAR(loss.terms[0].second.item<double>(), 12 * 8 * 0.6931, 2.0);
}

TEST(Vae, LossesOfMicroBatchesSumToTheBatch) {
  const auto model = make(numerics::Dtype::fp32);
  const double whole = loss_of(*model, batch_of(0, 8, 8));
  const double parts = loss_of(*model, batch_of(0, 3, 8)) + loss_of(*model, batch_of(3, 5, 8));
  EXPECT_NEAR(parts, whole, 1e-4 * whole);
}

TEST(Vae, EveryParameterGetsAGradient) {
  for (const auto dtype : {numerics::Dtype::fp32, numerics::Dtype::fp16, numerics::Dtype::bf16})
    for (const Likelihood likelihood : kLikelihoods) {
      const auto model = make(dtype, {8, 8, 16, 1.0, likelihood});
      core::PlainRunner runner;
      model->phases().front()->forward(batch_of(0, 6, 6), runner).loss.backward();
      for (const auto& [name, tensor] : model->state().tensors) {
        ASSERT_TRUE(tensor.grad().defined()) << name;
        EXPECT_EQ(tensor.grad().scalar_type(), tensor.scalar_type()) << name;
        EXPECT_GT(tensor.grad().to(at::kFloat).abs().sum().item<float>(), 0.0F) << name;
      }
    }
}

TEST(Vae, SixteenBitLossIsNearTheFp32One) {
  for (const Likelihood likelihood : kLikelihoods) {
    const auto loss = [&](numerics::Dtype dtype) {
      return loss_of(*make(dtype, {8, 8, 16, 1.0, likelihood}), batch_of(0, 8, 8));
    };
    const double full = loss(numerics::Dtype::fp32);
    EXPECT_NEAR(loss(numerics::Dtype::fp16), full, 2e-3 * full);
    EXPECT_NEAR(loss(numerics::Dtype::bf16), full, 2e-2 * full);
  }
}

TEST(Vae, InitialValuesArePureAndWithinTheBound) {
  const auto one = make(numerics::Dtype::fp32), two = make(numerics::Dtype::fp32);
  for (const auto& [name, tensor] : one->state().tensors)
    EXPECT_TRUE(at::equal(tensor, two->state().tensors.at(name))) << name;
  const at::Tensor weight = one->state().tensors.at("encoder.code.weight");  // fan-in 16: bound 1/4
  EXPECT_LE(weight.abs().max().item<float>(), 0.25F);
  EXPECT_GT(weight.abs().max().item<float>(), 0.2F);
  EXPECT_NEAR(weight.mean().item<float>(), 0.0F, 0.03F);
}

TEST(Vae, OnlyALikelihoodWithAScaleAddsAParameter) {
  for (const Likelihood likelihood : kLikelihoods) {
    const auto model = make(numerics::Dtype::fp16, {8, 8, 16, 1.0, likelihood});
    std::vector<core::Parameter> parameters = all_parameters(*model);
    if (has_scale(likelihood)) {
      const core::Parameter& scale = parameters.back();
      EXPECT_EQ(scale.name, "decoder.log_scale");
      EXPECT_EQ(scale.tensor.sizes(), (std::vector<std::int64_t>{1}));
      EXPECT_FALSE(scale.decay);
      EXPECT_EQ(scale.tensor.item<double>(), initial_log_scale(likelihood));
      parameters.pop_back();
    }
    EXPECT_EQ(parameters.size(), 16U);
    EXPECT_EQ(parameters.back().name, "decoder.conv2.bias");
  }
}

// The gradient of the learned scale, and of a weight of each network, against finite differences of the loss.
TEST(Vae, GradientsOfScaledLikelihoodsAreThoseOfTheLoss) {
  for (const Likelihood likelihood : {Likelihood::gaussian, Likelihood::discretized_logistic}) {
    const auto model = make(numerics::Dtype::fp32, {8, 8, 16, 1.0, likelihood});
    core::PlainRunner runner;
    model->phases().front()->forward(batch_of(0, 6, 6), runner).loss.backward();
    for (const char* name : {"decoder.log_scale", "decoder.conv2.bias", "encoder.code.bias"}) {
      const at::Tensor parameter = model->state().tensors.at(name);
      const auto loss_at = [&](double change) {
        const at::NoGradGuard no_grad;
        const at::Tensor before = parameter.clone();
        parameter[0].add_(change);
        const double loss = loss_of(*model, batch_of(0, 6, 6));
        parameter.copy_(before);
        return loss;
      };
      constexpr double kStep = 0.02;
      const double slope = (loss_at(kStep) - loss_at(-kStep)) / (2 * kStep);
      const double gradient = parameter.grad()[0].item<double>();
      EXPECT_NEAR(gradient, slope, 5e-3 * std::abs(slope) + 2e-2) << name;
    }
  }
}

TEST(Vae, SamplesAreImagesAndDependOnlyOnTheSeed) {
  for (const Likelihood likelihood : kLikelihoods) {
    const auto model = make(numerics::Dtype::fp16, {8, 8, 16, 1.0, likelihood});
    ImageSampler& sampler = *model->image_sampler();
    core::PlainRunner runner;
    const at::Tensor images = sampler.sample(0, 5, 1, runner);
    EXPECT_EQ(images.sizes(), (std::vector<std::int64_t>{5, 1, 12, 8}));
    EXPECT_EQ(images.scalar_type(), at::kByte);
    EXPECT_TRUE(at::equal(images, sampler.sample(0, 5, 1, runner)));
    EXPECT_TRUE(at::equal(images.narrow(0, 0, 3), sampler.sample(0, 3, 1, runner)));
    EXPECT_FALSE(at::equal(images, sampler.sample(0, 5, 2, runner)));
  }
}

TEST(Vae, RefusesSidesThatAreNotMultiplesOfFour) {
  try {
    make(numerics::Dtype::fp32, {}, core::SampleSpec{{core::image_field(1, 30, 28)}});
    FAIL() << "30 is not a multiple of 4";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(), testing::HasSubstr("30 x 28"));
  }
}

TEST(Vae, RefusesTokens) {
  try {
    make(numerics::Dtype::fp32, {}, core::SampleSpec{{core::tokens_field(16)}});
    FAIL() << "tokens are not images";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::usage);
    EXPECT_THAT(error.what(),
                testing::HasSubstr("vae trains on the field image, but the data provides tokens"));
  }
}

}  // namespace
}  // namespace ebb::models
