// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/philox.h"
#include "models/bound_estimator.h"
#include "models/built_in.h"
#include "models/model.h"
#include "models/vae/config.h"
#include "models/vae/likelihood.h"
#include "numerics/close.h"
#include "numerics/ops.h"

namespace ebb::models {
namespace {

constexpr std::uint64_t kSeed = 7;
constexpr std::int64_t kLatent = 8;
constexpr Likelihood kAll[] = {Likelihood::bernoulli, Likelihood::gaussian, Likelihood::discretized_logistic};

// With larger parameters than the initial ones, so that the weights of the draws differ.
std::unique_ptr<Model> make(Likelihood likelihood, numerics::Dtype dtype = numerics::Dtype::fp32,
                            double kl_weight = 1.0) {
  ModelConfig config(built_in_families());
  config.choose(
      "vae", std::make_unique<FamilyConfigOf<VaeConfig>>(VaeConfig{kLatent, 8, 16, kl_weight, likelihood}));
  auto model = make_model(config, {{core::image_field(2, 12, 8)}}, dtype, at::kCPU, kSeed);
  const at::NoGradGuard no_grad;
  for (core::Parameter& p : all_parameters(*model))
    p.tensor.copy_(p.initial() * (p.name == "decoder.log_scale" ? 1.0 : 1.5));
  return model;
}

core::Batch batch_of(const at::Tensor& images, std::int64_t position) {
  core::Batch batch;
  batch.fields = {{std::string(core::kImageField), images}};
  batch.position = position;
  batch.global_batch = images.size(0);
  return batch;
}

at::Tensor images(std::int64_t count) {
  at::manual_seed(3);
  return at::randint(0, 256, {count, 2, 12, 8}, at::kByte);
}

at::Tensor bound_of(Model& model, const at::Tensor& images, std::int64_t draws, std::int64_t position = 0) {
  core::PlainRunner runner;
  return model.bound_estimator()->log_likelihood_bound(batch_of(images, position), draws, runner);
}

// The model and the weights of its draws a second time, in fp64 by LibTorch's operators.
class Reference {
 public:
  Reference(Model& model, Likelihood likelihood) : likelihood_(likelihood) {
    for (const core::Parameter& p : all_parameters(model)) p_.push_back(p.tensor.detach().to(at::kDouble));
  }

  // log p(x|z) p(z) / q(z|x) of one draw: [B].
  [[nodiscard]] at::Tensor log_weight(const at::Tensor& x, std::int64_t position, std::int64_t draw) const {
    at::Tensor h = at::relu(at::conv2d(x.to(at::kDouble) / 255, p_[0], p_[1], 2, 1));
    h = at::relu(at::conv2d(h, p_[2], p_[3], 2, 1)).flatten(1);
    const at::Tensor code = at::linear(at::relu(at::linear(h, p_[4], p_[5])), p_[6], p_[7]);
    const at::Tensor mu = code.narrow(1, 0, kLatent), variance = code.narrow(1, kLatent, kLatent).exp();
    const at::Tensor z = mu + variance.sqrt() * noise(x.size(0), position, draw);
    h = at::relu(at::linear(at::relu(at::linear(z, p_[8], p_[9])), p_[10], p_[11])).view({-1, 8, 3, 2});
    h = at::relu(at::conv_transpose2d(h, p_[12], p_[13], 2, 1));
    const PixelDistribution pixels{likelihood_, at::conv_transpose2d(h, p_[14], p_[15], 2, 1).to(at::kFloat),
                                   p_.size() > 16 ? bounded_log_scale(p_[16]) : at::Tensor()};
    return log_likelihoods(pixels, x) + log_normal(z, at::zeros_like(mu), at::ones_like(mu)) -
           log_normal(z, mu, variance);
  }

 private:
  static at::Tensor noise(std::int64_t rows, std::int64_t position, std::int64_t draw) {
    const auto key = random_bits(kSeed, RandomStream::evaluation, static_cast<std::uint64_t>(draw), 0);
    return numerics::philox_normal(rows, kLatent, std::uint64_t{key[1]} << 32 | key[0],
                                   static_cast<std::uint32_t>(RandomStream::evaluation), position, at::kFloat,
                                   at::kCPU)
        .to(at::kDouble);
  }
  static at::Tensor log_normal(const at::Tensor& z, const at::Tensor& mu, const at::Tensor& variance) {
    return (((z - mu).square() / variance + variance.log() + std::log(2 * M_PI)) / -2).sum(1);
  }
  Likelihood likelihood_;
  std::vector<at::Tensor> p_;
};

TEST(VaeBound, IsTheLogarithmOfTheMeanWeight) {
  constexpr std::int64_t kDraws = 5, kPosition = (std::int64_t{1} << 62) + 3;
  for (const Likelihood likelihood : kAll) {
    const auto model = make(likelihood);
    const Reference reference(*model, likelihood);
    const at::Tensor x = images(6);
    std::vector<at::Tensor> weights;
    for (std::int64_t draw = 0; draw < kDraws; ++draw)
      weights.push_back(reference.log_weight(x, kPosition, draw));
    const at::Tensor one = bound_of(*model, x, 1, kPosition);
    EXPECT_EQ(one.scalar_type(), at::kDouble);
    EXPECT_LE(numerics::relative_error(one, weights[0]), 1e-5);
    EXPECT_LE(numerics::relative_error(bound_of(*model, x, kDraws, kPosition),
                                       at::stack(weights).logsumexp(0) - std::log(double{kDraws})),
              1e-5);
  }
}

TEST(VaeBound, DoesNotDependOnTheBatches) {
  const auto model = make(Likelihood::discretized_logistic);
  const at::Tensor x = images(8);
  const at::Tensor whole = bound_of(*model, x, 3, 100);
  const at::Tensor parts =
      at::cat({bound_of(*model, x.narrow(0, 0, 3), 3, 100), bound_of(*model, x.narrow(0, 3, 1), 3, 103),
               bound_of(*model, x.narrow(0, 4, 4), 3, 104)});
  EXPECT_LE(numerics::relative_error(parts, whole), 1e-6);
  EXPECT_GT((bound_of(*model, x, 3, 101) - whole).abs().min().item<double>(), 1e-6) << "other noise";
}

// Over many draws for one image, the mean with one draw is minus the loss, and more draws raise it.
TEST(VaeBound, LiesAboveTheEvidenceBound) {
  constexpr std::int64_t kCopies = 4096;
  for (const Likelihood likelihood : kAll) {
    const auto model = make(likelihood);
    const at::Tensor x = images(1).expand({kCopies, 2, 12, 8}).contiguous();
    const at::Tensor one = bound_of(*model, x, 1), eight = bound_of(*model, x, 8);
    const at::NoGradGuard no_grad;
    core::PlainRunner runner;
    const double loss = model->phases().front()->forward(batch_of(x, 0), runner).loss.item<double>();
    const double error = one.std().item<double>() / std::sqrt(double{kCopies});
    EXPECT_NEAR(one.mean().item<double>(), -loss, 6 * error);
    EXPECT_GT(eight.mean().item<double>(), one.mean().item<double>() + 6 * error);
  }
}

TEST(VaeBound, HasNoWeightOfTheKlTerm) {
  const at::Tensor x = images(4);
  EXPECT_TRUE(at::equal(bound_of(*make(Likelihood::gaussian), x, 2),
                        bound_of(*make(Likelihood::gaussian, numerics::Dtype::fp32, 0.1), x, 2)));
}

TEST(VaeBound, OfSixteenBitsIsNearTheFp32One) {
  const at::Tensor x = images(8);
  for (const Likelihood likelihood : kAll) {
    const at::Tensor full = bound_of(*make(likelihood), x, 4);
    EXPECT_LE(numerics::relative_error(bound_of(*make(likelihood, numerics::Dtype::fp16), x, 4), full), 2e-3);
    EXPECT_LE(numerics::relative_error(bound_of(*make(likelihood, numerics::Dtype::bf16), x, 4), full), 2e-2);
  }
}

TEST(VaeBound, TakesAnEmptyBatchAndRefusesNoDraws) {
  const auto model = make(Likelihood::gaussian);
  EXPECT_EQ(bound_of(*model, images(4).narrow(0, 0, 0), 2).sizes(), (std::vector<std::int64_t>{0}));
  EXPECT_THROW((void)bound_of(*model, images(4), 0), Error);
}

TEST(VaeBound, OnlyProbabilitiesAreDiscrete) {
  for (const Likelihood likelihood : kAll) {
    const auto model = make(likelihood);
    EXPECT_EQ(model->bound_estimator()->is_discrete(), likelihood == Likelihood::discretized_logistic);
    EXPECT_EQ(model->bound_estimator()->dimensions(), 2 * 12 * 8);
  }
}

}  // namespace
}  // namespace ebb::models
