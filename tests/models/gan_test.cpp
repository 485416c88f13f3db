// SPDX-License-Identifier: Apache-2.0
#include "models/gan/gan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <vector>

#include "base/error.h"
#include "models/gan/losses.h"
#include "models/gan_under_test.h"

namespace ebb::models {
namespace {

using namespace testing;
using ::testing::HasSubstr;

// The gradients of the discriminator's loss with both penalties, by LibTorch. `generated` are the generator's
// images.
std::map<std::string, at::Tensor> reference_gradients(const GanReference& reference, const GanConfig& config,
                                                      const core::Batch& batch, const at::Tensor& generated,
                                                      at::ScalarType dtype) {
  const at::Tensor real = real_images(batch, dtype).requires_grad_();
  const at::Tensor fake = generated.detach().to(dtype).requires_grad_();
  const at::Tensor labels = labels_of(batch, config);
  const auto logits = [&](const at::Tensor& images, RandomStream stream) {
    return reference.logits(seen(images, stream, AugmentedPhase::discriminator, config, batch), labels);
  };
  const at::Tensor r = logits(real, RandomStream::augmentation),
                   f = logits(fake, RandomStream::augmentation_of_generated);
  const auto penalty = [](const at::Tensor& of, const at::Tensor& x) {
    return torch::autograd::grad({of.sum()}, {x}, {}, true, true)[0].square().sum() / kImages;
  };
  const at::Tensor loss = at::softplus(f - r).sum() / kImages + penalty(r, real) * (config.penalty.r1 / 2) +
                          penalty(f, fake) * (config.penalty.r2 / 2);
  loss.backward();
  std::map<std::string, at::Tensor> found;
  for (const auto& [name, tensor] : reference.parameters())
    if (name.starts_with("discriminator")) found[name] = tensor.grad();
  return found;
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
    const auto in_fp64 = reference_gradients(exact, config, batch,
                                             generated_by(config, batch, exact, at::kDouble), at::kDouble);
    const auto in_fp32 = reference_gradients(single, config, batch,
                                             generated_by(config, batch, single, at::kFloat), at::kFloat);
    ASSERT_EQ(ours.size(), in_fp64.size());
    EXPECT_LE(distance(ours, in_fp64), 2 * distance(in_fp32, in_fp64));
    // A bias sums over all pixels, one after the other.
    for (const auto& [name, tensor] : in_fp64) EXPECT_LE(distance(ours.at(name), tensor), 1e-5) << name;
  }
}

// The relative distance of the generator's gradients, over all parameters, from those by LibTorch in fp64.
double generator_distance(const GanConfig& config, std::int64_t position) {
  const auto model = make(config, numerics::Dtype::fp32);
  core::Batch batch = batch_of(config);
  batch.position = position;
  const auto ours = gradients(*model, *model->phases()[1], batch);
  const GanReference exact = reference_of(*model, config, at::kDouble);
  const at::Tensor noise = numerics::philox_normal(batch.size(), config.latent, 7,
                                                   static_cast<std::uint32_t>(RandomStream::generator_latent),
                                                   position, at::kFloat, at::kCPU);
  const at::Tensor labels = labels_of(batch, config);
  const auto logits = [&](const at::Tensor& images, RandomStream stream) {
    return exact.logits(seen(images, stream, AugmentedPhase::generator, config, batch), labels);
  };
  const at::Tensor f =
      logits(exact.images(noise.to(at::kDouble), labels), RandomStream::augmentation_of_generated);
  const at::Tensor r = logits(real_images(batch, at::kDouble), RandomStream::augmentation).detach();
  (at::softplus(r - f).sum() / kImages).backward();
  std::map<std::string, at::Tensor> theirs;
  for (const auto& [name, tensor] : ours) theirs[name] = exact.parameters().at(name).grad();
  return distance(ours, theirs);
}

// The median of five draws: rounding may put one number on the other side of a leaky ReLU's kink, which
// changes the gradients of that draw by about 1e-3.
TEST(Gan, TheGeneratorsGradientsAreTheFrameworks) {
  for (const GanConfig& config : configs()) {
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture) << config.conditional);
    std::vector<double> distances;
    for (const std::int64_t position : {0, 100, 200, 300, 400})
      distances.push_back(generator_distance(config, position));
    std::ranges::sort(distances);
    EXPECT_LE(distances[2], 2e-6);
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

TEST(Gan, LossesOfMicroBatchesSumToTheBatch) {
  const GanConfig plain = tiny(GanArchitecture::residual, true);
  for (const GanConfig& config : {plain, augmented(plain)}) {
    const auto model = make(config, numerics::Dtype::fp32);
    core::PlainRunner runner;
    for (core::Phase* phase : model->phases()) {
      const auto loss = [&](std::int64_t first, std::int64_t count) {
        return phase->forward(batch_of(config, first, count), runner).loss.item<double>();
      };
      EXPECT_NEAR(loss(0, 2) + loss(2, 4), loss(0, 6), 1e-4 * std::abs(loss(0, 6)));
    }
  }
}

TEST(Gan, TheSpreadIsTheVarianceOfGeneratedImagesAsAShareOfThatOfRealOnes) {
  const GanConfig config = tiny(GanArchitecture::residual);
  const auto model = make(config, numerics::Dtype::fp32);
  core::PlainRunner runner;
  // In two micro-batches, as on two ranks.
  at::Tensor sums;
  for (const std::int64_t first : {0, 2}) {
    const core::Loss loss = model->phases()[0]->forward(batch_of(config, first, first == 0 ? 2 : 4), runner);
    sums = sums.defined() ? sums + loss.sums : loss.sums;
  }
  const at::Tensor values = sums.to(at::kDouble).contiguous();
  const std::vector<std::pair<std::string, double>> terms = {{"adversarial", 0.7}, {"accuracy", 0.5}};
  const core::PhaseConclusion conclusion = model->phases()[0]->conclude(
      {0.7, terms, {values.const_data_ptr<double>(), static_cast<std::size_t>(values.numel())}, true});
  ASSERT_EQ(conclusion.figures.size(), 1U);
  const at::Tensor noise = numerics::philox_normal(
      kImages, config.latent, 7, static_cast<std::uint32_t>(RandomStream::latent), 0, at::kFloat, at::kCPU);
  const at::Tensor fake = reference_of(*model, config, at::kFloat).images(noise, {});
  const auto variance = [](const at::Tensor& images) {
    const at::Tensor small = at::avg_pool2d(images.detach(), kSide / 8).flatten(1);
    return small.var(0, /*unbiased=*/false).sum().item<double>();
  };
  const double expected = variance(fake) / variance(real_images(batch_of(config), at::kFloat));
  EXPECT_NEAR(conclusion.figures[0].second, expected, 1e-3 * expected);
}

// A rank may have no sample of the last batch of an evaluation.
TEST(Gan, AnEvaluationOfNoSamplesIsZero) {
  for (const GanConfig& config : configs()) {
    const auto model = make(config, numerics::Dtype::fp16);
    core::PlainRunner runner;
    const at::NoGradGuard no_grad;
    EXPECT_EQ(model->phases()[0]->forward(batch_of(config, 0, 0), runner).loss.item<double>(), 0);
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
  EXPECT_EQ(terms(1).size(), 2U);
  const auto lazy = terms(4);
  ASSERT_EQ(lazy.size(), 4U);
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
