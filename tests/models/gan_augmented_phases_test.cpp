// SPDX-License-Identifier: Apache-2.0
// Both phases of a GAN with augmentation. gan_test.cpp compares their gradients with fp64.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "models/gan_under_test.h"

namespace ebb::models {
namespace {

using namespace testing;

double loss_of(const GanConfig& config, std::size_t phase, std::int64_t step = 0) {
  const auto model = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  core::Batch batch = batch_of(config);
  batch.step = step;
  return model->phases()[phase]->forward(batch, runner).loss.item<double>();
}

TEST(AugmentedGan, AugmentationFollowsItsScheduleInBothPhases) {
  const GanConfig plain = tiny(GanArchitecture::residual);
  GanConfig config = plain;
  config.augment.final_probability = 0.8, config.augment.schedule = {core::Curve::linear, 20 * kImages};
  for (const std::size_t phase : {0U, 1U}) {
    EXPECT_EQ(loss_of(config, phase), loss_of(plain, phase));
    EXPECT_EQ(loss_of(config, phase, 10), loss_of(augmented(plain, 0.4), phase, 10));
    EXPECT_NE(loss_of(config, phase, 10), loss_of(plain, phase, 10));
  }
  const auto model = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  core::Batch batch = batch_of(config);
  batch.step = 10;
  const auto scheduled = model->phases()[0]->forward(batch, runner).scheduled;
  ASSERT_EQ(scheduled.size(), 1U);
  EXPECT_EQ(scheduled[0].first, "augment_probability");
  EXPECT_DOUBLE_EQ(scheduled[0].second, 0.4);
}

TEST(AugmentedGan, AnEvaluationSeesTheDataAsItIs) {
  const at::NoGradGuard no_grad;
  const GanConfig plain = tiny(GanArchitecture::residual);
  EXPECT_EQ(loss_of(augmented(plain), 0), loss_of(plain, 0));
}

TEST(AugmentedGan, AStepRunsInEveryPrecision) {
  for (const GanConfig& plain : {tiny(GanArchitecture::residual, true), tiny(GanArchitecture::dcgan)})
    for (const auto dtype : {numerics::Dtype::fp32, numerics::Dtype::fp16, numerics::Dtype::bf16})
      for (const std::size_t phase : {0U, 1U}) {
        SCOPED_TRACE(::testing::Message() << static_cast<int>(plain.architecture) << static_cast<int>(dtype));
        const auto model = make(augmented(plain, 1), dtype), other = make(plain, dtype);
        const auto with = gradients(*model, *model->phases()[phase], batch_of(plain)),
                   without = gradients(*other, *other->phases()[phase], batch_of(plain));
        for (const auto& [name, tensor] : with) {
          EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
          EXPECT_FALSE(at::equal(tensor, without.at(name))) << name;
        }
      }
}

TEST(AugmentedGan, TheGradientPenaltyMixesWhatTheDiscriminatorSees) {
  GanConfig config = augmented(tiny(GanArchitecture::residual), 1);
  config.loss = GanLoss::wasserstein;
  config.penalty.r1 = config.penalty.r2 = 0, config.penalty.gradient = 1;
  const auto model = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  const core::Batch batch = batch_of(config);
  const auto terms = model->phases()[0]->forward(batch, runner).terms;
  ASSERT_EQ(terms.at(2).first, "gradient_penalty");
  const GanReference reference = reference_of(*model, config, at::kDouble);
  const auto of = [&](const at::Tensor& images, RandomStream stream) {
    return seen(images, stream, AugmentedPhase::discriminator, config, batch);
  };
  const at::Tensor real = of(real_images(batch, at::kDouble), RandomStream::augmentation),
                   fake = of(generated_by(config, batch, reference, at::kDouble),
                             RandomStream::augmentation_of_generated);
  const at::Tensor mix =
      at::special_ndtr(numerics::philox_normal(kImages, 1, 7,
                                               static_cast<std::uint32_t>(RandomStream::augmentation), 0,
                                               at::kFloat, at::kCPU))
          .to(at::kDouble)
          .view({-1, 1, 1, 1});
  const at::Tensor between = (fake + mix * (real - fake)).requires_grad_();
  const at::Tensor slopes =
      torch::autograd::grad({reference.logits(between, {}).sum()}, {between})[0].flatten(1).norm(2, 1);
  const double expected = (slopes - 1).square().mean().item<double>();
  EXPECT_NEAR(terms[2].second.item<double>(), expected, 1e-4 * expected);
}

TEST(AugmentedGan, AnAdaptiveProbabilityIsPartOfTheState) {
  GanConfig config = tiny(GanArchitecture::residual);
  config.augment.target = 0.6, config.augment.probability = 0.25;
  const auto model = make(config, numerics::Dtype::fp32), other = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  const core::Batch batch = batch_of(config);
  const auto probability = [&](Model& m) {
    return m.phases()[0]->forward(batch, runner).scheduled.at(0).second;
  };
  EXPECT_DOUBLE_EQ(probability(*model), 0.25);
  nlohmann::json values = model->state().values;
  EXPECT_EQ(values.at("augment").at("probability"), 0.25);
  EXPECT_TRUE(values.contains("sample"));
  values["augment"]["probability"] = 0.5;
  other->restore(values);
  EXPECT_DOUBLE_EQ(probability(*other), 0.5);
  EXPECT_EQ(other->state().values, values);
  values.erase("augment");
  other->restore(values);  // of a run without a target
  EXPECT_DOUBLE_EQ(probability(*other), 0.5);
  EXPECT_FALSE(
      make(tiny(GanArchitecture::residual), numerics::Dtype::fp32)->state().values.contains("augment"));
}

TEST(AugmentedGan, TheMeanSignOfRealLogitsIsATermForATarget) {
  GanConfig config = tiny(GanArchitecture::residual);
  config.augment.target = 0.6;
  const auto model = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  const core::Batch batch = batch_of(config);
  const auto terms = model->phases()[0]->forward(batch, runner).terms;
  ASSERT_EQ(terms.at(2).first, "real_sign");
  const at::Tensor logits =
      reference_of(*model, config, at::kDouble).logits(real_images(batch, at::kDouble), {});
  EXPECT_NEAR(terms[2].second.item<double>(), logits.sign().mean().item<double>(), 1e-6);
}

// Also part of the state, so that a resumed run continues from it.
TEST(AugmentedGan, TheAdaptiveProbabilityFollowsTheSignsOfRealLogits) {
  GanConfig config = tiny(GanArchitecture::residual);
  config.augment.target = 0.6;
  config.augment.adjust_samples = 60;
  const auto model = make(config, numerics::Dtype::fp32), other = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  (void)model->phases()[0]->forward(batch_of(config), runner);
  const std::vector<std::pair<std::string, double>> terms = {{"adversarial", 0.7}, {"real_sign", 0.9}};
  for (int i = 0; i < 3; ++i) (void)model->phases()[0]->conclude({0.7, terms, {}, true});
  const auto scheduled = [&](Model& of) {
    return of.phases()[0]->forward(batch_of(config), runner).scheduled.at(0);
  };
  EXPECT_EQ(scheduled(*model).first, "augment_probability");
  EXPECT_NEAR(scheduled(*model).second, 3.0 * kImages / 60, 1e-12);
  EXPECT_EQ(scheduled(*other).second, 0);
  other->restore(model->state().values);
  EXPECT_EQ(scheduled(*other).second, scheduled(*model).second);
}

}  // namespace
}  // namespace ebb::models
