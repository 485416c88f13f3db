// SPDX-License-Identifier: Apache-2.0
// The adversarial losses and their gradients, against the formulas of config.h computed in fp64.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "models/gan/losses.h"
#include "models/gan_under_test.h"

namespace ebb::models {
namespace {

using namespace testing;

constexpr GanLoss kGanLosses[] = {GanLoss::relativistic, GanLoss::non_saturating, GanLoss::hinge,
                                  GanLoss::wasserstein};

// On both sides of the margins of the hinge, and far out on those of the softplus. Exact in fp32.
constexpr std::array<double, 7> kRealLogits = {0.5, -2, 3, 1.25, -0.75, 30, -25};
constexpr std::array<double, 7> kGeneratedLogits = {-0.25, 1.5, -4, 0.5, -30, 2, 25};

// The loss of one pair, and its derivatives by both logits.
struct ByHand {
  double loss = 0, by_real = 0, by_generated = 0;
};

double softplus_by_hand(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

double sigmoid_by_hand(double x) {
  return 1 / (1 + std::exp(-x));
}

ByHand discriminator_by_hand(GanLoss loss, double r, double f) {
  switch (loss) {
    case GanLoss::relativistic:
      return {softplus_by_hand(f - r), -sigmoid_by_hand(f - r), sigmoid_by_hand(f - r)};
    case GanLoss::non_saturating:
      return {softplus_by_hand(-r) + softplus_by_hand(f), -sigmoid_by_hand(-r), sigmoid_by_hand(f)};
    case GanLoss::hinge:
      return {std::max(0.0, 1 - r) + std::max(0.0, 1 + f), r < 1 ? -1.0 : 0.0, f > -1 ? 1.0 : 0.0};
    case GanLoss::wasserstein:
      return {f - r, -1, 1};
  }
  return {};
}

// The real samples are constants in this turn.
ByHand generator_by_hand(GanLoss loss, double r, double f) {
  switch (loss) {
    case GanLoss::relativistic:
      return {softplus_by_hand(r - f), 0, -sigmoid_by_hand(r - f)};
    case GanLoss::non_saturating:
      return {softplus_by_hand(-f), 0, -sigmoid_by_hand(-f)};
    case GanLoss::hinge:
    case GanLoss::wasserstein:
      return {-f, 0, -1};
  }
  return {};
}

at::Tensor logits_from(const std::array<double, 7>& values) {
  at::Tensor logits = at::tensor(at::ArrayRef<double>(values.data(), values.size())).to(at::kFloat);
  logits.requires_grad_(true);
  return logits;
}

// As close as fp32 allows, in the tails too.
void expect_by_hand(const at::Tensor& value, double expected) {
  EXPECT_NEAR(value.item<double>(), expected, 1e-6 * std::abs(expected));
}

TEST(GanLosses, TheDiscriminatorsTurnAndItsGradientsAreTheFormulas) {
  for (const GanLoss loss : kGanLosses) {
    const at::Tensor real = logits_from(kRealLogits), generated = logits_from(kGeneratedLogits);
    const at::Tensor sum = discriminator_loss(loss, real, generated);
    const std::vector<at::Tensor> slopes = torch::autograd::grad({sum}, {real, generated});
    double total = 0;
    for (std::size_t i = 0; i < kRealLogits.size(); ++i) {
      const auto pair = static_cast<std::int64_t>(i);
      SCOPED_TRACE(::testing::Message() << "loss " << static_cast<int>(loss) << ", pair " << pair);
      const ByHand expected = discriminator_by_hand(loss, kRealLogits[i], kGeneratedLogits[i]);
      expect_by_hand(discriminator_loss(loss, real.narrow(0, pair, 1), generated.narrow(0, pair, 1)),
                     expected.loss);
      expect_by_hand(slopes[0][pair], expected.by_real);
      expect_by_hand(slopes[1][pair], expected.by_generated);
      total += expected.loss;
    }
    expect_by_hand(sum, total);
  }
}

TEST(GanLosses, TheGeneratorsTurnAndItsGradientsAreTheFormulas) {
  for (const GanLoss loss : kGanLosses) {
    const at::Tensor generated = logits_from(kGeneratedLogits);
    // The other losses do not read the real samples' logits, so their phase does not compute them.
    const bool reads_real = loss == GanLoss::relativistic;
    const at::Tensor real = reads_real ? logits_from(kRealLogits).detach() : at::Tensor();
    const at::Tensor sum = generator_loss(loss, real, generated);
    const std::vector<at::Tensor> slopes = torch::autograd::grad({sum}, {generated});
    double total = 0;
    for (std::size_t i = 0; i < kRealLogits.size(); ++i) {
      const auto pair = static_cast<std::int64_t>(i);
      SCOPED_TRACE(::testing::Message() << "loss " << static_cast<int>(loss) << ", pair " << pair);
      const ByHand expected = generator_by_hand(loss, kRealLogits[i], kGeneratedLogits[i]);
      const at::Tensor real_one = reads_real ? real.narrow(0, pair, 1) : real;
      expect_by_hand(generator_loss(loss, real_one, generated.narrow(0, pair, 1)), expected.loss);
      expect_by_hand(slopes[0][pair], expected.by_generated);
      total += expected.loss;
    }
    expect_by_hand(sum, total);
  }
}

using TurnByHand = ByHand (*)(GanLoss, double, double);

double mean_by_hand(TurnByHand turn, GanLoss loss, const at::Tensor& real, const at::Tensor& generated) {
  double sum = 0;
  for (std::int64_t i = 0; i < real.size(0); ++i)
    sum += turn(loss, real[i].item<double>(), generated[i].item<double>()).loss;
  return sum / static_cast<double>(real.size(0));
}

void expect_in_fp32(const at::Tensor& loss, double expected) {
  EXPECT_NEAR(loss.item<double>(), expected, 1e-4 * (1 + std::abs(expected)));
}

TEST(GanLosses, EachPhaseHasItsTurnOfTheChosenLoss) {
  for (const GanLoss loss : kGanLosses) {
    SCOPED_TRACE(::testing::Message() << "loss " << static_cast<int>(loss));
    GanConfig config = without_penalties(tiny(GanArchitecture::residual, true));
    config.loss = loss;
    const auto model = make(config, numerics::Dtype::fp32);
    const core::Batch batch = batch_of(config);
    const GanReference exact = reference_of(*model, config, at::kDouble);
    const auto logits = [&](const at::Tensor& images) {
      return exact.logits(images, labels_of(batch, config)).detach();
    };
    const auto of_noise = [&](RandomStream stream) {
      return logits(generated_by(config, batch, exact, at::kDouble, stream));
    };
    const at::Tensor real = logits(real_images(batch, at::kDouble));
    const at::Tensor seen_first = of_noise(RandomStream::latent),
                     seen_second = of_noise(RandomStream::generator_latent);
    core::PlainRunner runner;
    const core::Loss first = model->phases()[0]->forward(batch, runner);
    expect_in_fp32(first.loss, mean_by_hand(discriminator_by_hand, loss, real, seen_first));
    ASSERT_EQ(first.terms.size(), 2U);
    EXPECT_EQ(first.terms[1].first, "accuracy");
    EXPECT_NEAR(first.terms[1].second.item<double>(),
                real.gt(seen_first).to(at::kDouble).mean().item<double>(), 1e-6);
    const core::Loss second = model->phases()[1]->forward(batch, runner);
    expect_in_fp32(second.loss, mean_by_hand(generator_by_hand, loss, real, seen_second));
  }
}

}  // namespace
}  // namespace ebb::models
