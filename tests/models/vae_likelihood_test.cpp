// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "base/error.h"
#include "models/vae/likelihood.h"
#include "numerics/close.h"

namespace ebb::models {
namespace {

using numerics::relative_error;

constexpr Likelihood kAll[] = {Likelihood::bernoulli, Likelihood::gaussian, Likelihood::discretized_logistic};
constexpr Likelihood kScaled[] = {Likelihood::gaussian, Likelihood::discretized_logistic};

double sigmoid(double x) {
  return 1 / (1 + std::exp(-x));
}

// log p of the value v by the definitions, in double.
double direct(Likelihood likelihood, double output, double log_scale, int v) {
  const double x = v / 255.0, mean = output + 0.5, scale = std::exp(log_scale);
  switch (likelihood) {
    case Likelihood::bernoulli:
      return x * std::log(sigmoid(output)) + (1 - x) * std::log(sigmoid(-output));
    case Likelihood::gaussian:
      return -0.5 * std::pow((x - mean) / scale, 2) - log_scale - 0.5 * std::log(2 * M_PI);
    case Likelihood::discretized_logistic:
      const double below = v == 255 ? 1 : sigmoid((x + 0.5 / 255 - mean) / scale);
      const double above = v == 0 ? 0 : sigmoid((x - 0.5 / 255 - mean) / scale);
      return std::log(below - above);
  }
  return NAN;
}

// Images of three channels. The first is black and the second white, so edge bins occur.
at::Tensor images(std::int64_t count) {
  at::Tensor all = at::randint(0, 256, {count, 3, 5, 7}, at::kByte);
  all[0].fill_(0);
  all[1].fill_(255);
  return all;
}

PixelDistribution distribution(Likelihood likelihood, at::ScalarType dtype = at::kFloat) {
  at::manual_seed(3);
  PixelDistribution pixels{likelihood, (at::randn({6, 3, 5, 7}) * 0.15).to(dtype), {}};
  if (has_scale(likelihood)) pixels.log_scale = at::tensor({-2.0F, -1.3F, -2.6F});
  return pixels;
}

TEST(VaeLikelihood, OfAnImageIsTheSumByTheDefinition) {
  for (const Likelihood likelihood : kAll) {
    const PixelDistribution pixels = distribution(likelihood);
    const at::Tensor x = images(6);
    const at::Tensor found = log_likelihoods(pixels, x);
    EXPECT_EQ(found.scalar_type(), at::kDouble);
    ASSERT_EQ(found.sizes(), (std::vector<std::int64_t>{6}));
    double total = 0;
    for (std::int64_t b = 0; b < 6; ++b) {
      double sum = 0;
      for (std::int64_t c = 0; c < 3; ++c)
        for (std::int64_t i = 0; i < 35; ++i)
          sum += direct(likelihood, pixels.output[b][c].flatten()[i].item<double>(),
                        pixels.log_scale.defined() ? pixels.log_scale[c].item<double>() : 0,
                        x[b][c].flatten()[i].item<int>());
      EXPECT_NEAR(found[b].item<double>(), sum, 1e-5 * std::abs(sum) + 1e-4);
      total += sum;
    }
    const at::Tensor loss = nll_sum(pixels, x);
    EXPECT_EQ(loss.scalar_type(), at::kFloat);
    EXPECT_NEAR(loss.item<double>(), -total, 1e-5 * std::abs(total));
  }
}

TEST(VaeLikelihood, SixteenBitOutputsAreConvertedFirst) {
  for (const Likelihood likelihood : kAll)
    for (const auto dtype : {at::kHalf, at::kBFloat16}) {
      const PixelDistribution pixels = distribution(likelihood, dtype);
      PixelDistribution converted = pixels;
      converted.output = pixels.output.to(at::kFloat);
      const at::Tensor x = images(6);
      EXPECT_TRUE(at::equal(log_likelihoods(pixels, x), log_likelihoods(converted, x)));
      EXPECT_LE(relative_error(nll_sum(pixels, x), nll_sum(converted, x)), 1e-6);
    }
}

TEST(VaeLikelihood, MassesOfTheDiscretizedLogisticSumToOne) {
  const at::Tensor all = at::arange(256, at::kByte).view({256, 1, 1, 1});
  for (const float output : {-2.0F, -0.5F, 0.013F, 0.4F, 1.5F})
    for (const float log_scale : {-6.9F, -4.0F, -1.5F, 2.0F}) {
      const PixelDistribution pixels{Likelihood::discretized_logistic, at::full({256, 1, 1, 1}, output),
                                     at::tensor({log_scale})};
      EXPECT_NEAR(log_likelihoods(pixels, all).exp().sum().item<double>(), 1, 5e-5)
          << output << ' ' << log_scale;
    }
}

// In both tails of a narrow logistic, where the difference of two sigmoids is 0 in fp32 and in fp64.
TEST(VaeLikelihood, IsExactFarFromTheMean) {
  for (const float output : {-30.0F, 30.0F}) {
    const PixelDistribution pixels{Likelihood::discretized_logistic, at::full({1, 1, 1, 1}, output),
                                   at::tensor({-6.0F})};
    const double scale = std::exp(-6.0), residual = 128 / 255.0 - 0.5 - output;
    const double expected = -std::abs(residual) / scale + std::log(2 * std::sinh(0.5 / 255 / scale));
    EXPECT_NEAR(log_likelihoods(pixels, at::full({1, 1, 1, 1}, 128, at::kByte)).item<double>(), expected,
                1e-6 * std::abs(expected));
  }
}

// The same in fp64, by LibTorch's graph of the definitions.
at::Tensor reference_nll(Likelihood likelihood, const at::Tensor& output, const at::Tensor& log_scale,
                         const at::Tensor& x) {
  const at::Tensor mean = output + 0.5, value = x.to(at::kDouble) / 255;
  const at::Tensor scale = log_scale.exp().view({1, -1, 1, 1});
  if (likelihood == Likelihood::gaussian)
    return (((value - mean) / scale).square() / 2 + scale.log() + std::log(2 * M_PI) / 2).sum();
  const at::Tensor below = at::where(x.eq(255), 1.0, at::sigmoid((value + 0.5 / 255 - mean) / scale));
  const at::Tensor above = at::where(x.eq(0), 0.0, at::sigmoid((value - 0.5 / 255 - mean) / scale));
  return -(below - above).log().sum();
}

TEST(VaeLikelihood, GradientsAgreeWithThoseOfADoubleReference) {
  for (const Likelihood likelihood : kScaled)
    for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
      const PixelDistribution pixels = distribution(likelihood, dtype);
      const at::Tensor x = images(6);
      const at::Tensor output = pixels.output.to(at::kDouble).requires_grad_();
      const at::Tensor log_scale = pixels.log_scale.to(at::kDouble).requires_grad_();
      (reference_nll(likelihood, output, log_scale, x) * 0.25).backward();
      pixels.output.requires_grad_();
      pixels.log_scale.requires_grad_();
      (nll_sum(pixels, x) * 0.25).backward();
      EXPECT_EQ(pixels.output.grad().scalar_type(), dtype);
      EXPECT_LE(relative_error(pixels.output.grad(), output.grad()), numerics::rounding(dtype));
      EXPECT_LE(relative_error(pixels.log_scale.grad(), log_scale.grad()), 1e-5);
    }
}

TEST(VaeLikelihood, ASecondDerivativeIsRefused) {
  const PixelDistribution pixels = distribution(Likelihood::gaussian);
  pixels.output.requires_grad_();
  EXPECT_THROW((void)torch::autograd::grad({nll_sum(pixels, images(6))}, {pixels.output}, {}, true, true),
               Error);
}

// An image of more than 2^19 pixels is a part of its own.
TEST(VaeLikelihood, PartsOfABatchAddUp) {
  constexpr std::int64_t kSide = 768;
  for (const Likelihood likelihood : kScaled) {
    at::manual_seed(4);
    const at::Tensor x = at::randint(0, 256, {2, 1, kSide, kSide}, at::kByte);
    const PixelDistribution pixels{likelihood, (at::randn({2, 1, kSide, kSide}) * 0.3).requires_grad_(),
                                   at::tensor({-1.5F}).requires_grad_()};
    const at::Tensor loss = nll_sum(pixels, x);
    EXPECT_LE(relative_error(-log_likelihoods(pixels, x).sum(), loss), 1e-5);
    loss.backward();
    at::Tensor scale_gradient = at::zeros({1}, at::kDouble);
    for (std::int64_t b = 0; b < 2; ++b) {
      const PixelDistribution one{likelihood, pixels.output.detach().narrow(0, b, 1).clone().requires_grad_(),
                                  pixels.log_scale.detach().clone().requires_grad_()};
      nll_sum(one, x.narrow(0, b, 1)).backward();
      EXPECT_LE(relative_error(pixels.output.grad().narrow(0, b, 1), one.output.grad()), 1e-6);
      scale_gradient += one.log_scale.grad();
    }
    EXPECT_LE(relative_error(pixels.log_scale.grad(), scale_gradient), 1e-5);
  }
}

TEST(VaeLikelihood, AnEmptyBatchHasNone) {
  for (const Likelihood likelihood : kAll) {
    PixelDistribution pixels = distribution(likelihood);
    pixels.output = pixels.output.narrow(0, 0, 0);
    const at::Tensor none = images(6).narrow(0, 0, 0);
    EXPECT_EQ(nll_sum(pixels, none).item<float>(), 0.0F);
    EXPECT_EQ(log_likelihoods(pixels, none).numel(), 0);
  }
}

TEST(VaeLikelihood, TheScaleIsBoundedBelowAndKeepsAGradient) {
  const at::Tensor parameter = at::tensor({-100.0F, -7.0F, -2.0F, 3.0F}).to(at::kHalf).requires_grad_();
  const at::Tensor found = bounded_log_scale(parameter);
  EXPECT_EQ(found.scalar_type(), at::kFloat);
  EXPECT_NEAR(found[0].item<double>(), -7, 1e-6);
  EXPECT_NEAR(found[1].item<double>(), -7 + std::log(2.0), 1e-6);
  EXPECT_NEAR(found[2].item<double>(), -2, 0.01);
  EXPECT_NEAR(found[3].item<double>(), 3, 1e-4);
  found.sum().backward();
  EXPECT_EQ(parameter.grad().scalar_type(), at::kHalf);
  EXPECT_EQ(parameter.grad()[1].item<float>(), 0.5F);
  EXPECT_NEAR(parameter.grad()[3].item<float>(), 1, 1e-3);
}

TEST(VaeLikelihood, MeansAreImages) {
  const at::Tensor output = at::tensor({-3.0F, -0.5F, 0.0F, 0.1F, 0.5F, 3.0F}).view({1, 1, 1, 6});
  const at::Tensor scale = at::zeros({1});
  for (const Likelihood likelihood : kScaled)
    EXPECT_TRUE(at::equal(mean_images({likelihood, output, scale}).flatten(),
                          at::tensor({0, 0, 128, 153, 255, 255}, at::kByte)));
  EXPECT_TRUE(at::equal(mean_images({Likelihood::bernoulli, output, {}}).flatten(),
                        at::tensor({12, 96, 128, 134, 159, 243}, at::kByte)));
}

}  // namespace
}  // namespace ebb::models
