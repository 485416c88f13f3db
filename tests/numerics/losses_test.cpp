// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "numerics/close.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

TEST(BernoulliNll, AgreesWithTheFrameworksInDouble) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::manual_seed(3);
    const auto logits = (at::randn({5, 1, 29, 31}) * 8).to(dtype).requires_grad_();
    const auto targets = at::randint(0, 256, {5, 1, 29, 31}, at::kByte);
    const auto reference = logits.detach().to(at::kDouble).requires_grad_();
    const auto loss = bernoulli_nll_sum(logits, targets);
    const auto expected = at::binary_cross_entropy_with_logits(reference, targets.to(at::kDouble) / 255.0, {},
                                                               {}, at::Reduction::Sum);
    EXPECT_EQ(loss.scalar_type(), at::kFloat);
    EXPECT_LE(relative_error(loss, expected), 1e-6);
    (loss * 0.25).backward();
    (expected * 0.25).backward();
    EXPECT_LE(relative_error(logits.grad(), reference.grad()), rounding(dtype));
  }
}

TEST(Times, HasTheBitsOfTheFrameworksOperatorAndDerivativesOfAnyOrder) {
  for (const double factor : {0.25, 1.0 / 3, -1e-9}) {
    const auto x = at::full({}, 1.7F).requires_grad_(), same = at::full({}, 1.7F).requires_grad_();
    const auto y = times(x.square() * x, factor), expected = same.square() * same * factor;
    EXPECT_EQ(y.item<float>(), expected.item<float>());
    const auto first = torch::autograd::grad({y}, {x}, {}, true, /*create_graph=*/true)[0];
    const auto its = torch::autograd::grad({expected}, {same}, {}, true, /*create_graph=*/true)[0];
    EXPECT_EQ(first.item<float>(), its.item<float>());
    first.backward();
    its.backward();
    EXPECT_EQ(x.grad().item<float>(), same.grad().item<float>());
  }
  EXPECT_THROW((void)times(at::ones({1}), 2), Error);
}

TEST(BernoulliNll, IsFiniteForLargeLogitsAndInfiniteForInfiniteOnes) {
  const auto targets = at::full({1, 1, 1, 2}, 255, at::kByte);
  EXPECT_NEAR(bernoulli_nll_sum(at::tensor({-60000.0F, 60000.0F}).view({1, 1, 1, 2}).to(at::kHalf), targets)
                  .item<float>(),
              60000, 40);
  const auto bad = at::full({1, 1, 1, 2}, std::numeric_limits<float>::quiet_NaN()).to(at::kHalf);
  EXPECT_TRUE(bernoulli_nll_sum(bad, targets).isnan().item<bool>());
}

TEST(BernoulliNll, AnEmptyBatchIsZero) {
  EXPECT_EQ(
      bernoulli_nll_sum(at::zeros({0, 1, 4, 4}, at::kHalf), at::zeros({0, 1, 4, 4}, at::kByte)).item<float>(),
      0.0F);
}

TEST(GaussianKl, AgreesWithTheFormulaInDouble) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::manual_seed(4);
    const auto mu = at::randn({37, 33}).to(dtype).requires_grad_();
    const auto logvar = (at::randn({37, 33}) * 2).to(dtype).requires_grad_();
    const auto m = mu.detach().to(at::kDouble).requires_grad_();
    const auto l = logvar.detach().to(at::kDouble).requires_grad_();
    const auto kl = gaussian_kl_sum(mu, logvar);
    const auto expected = (m * m + l.exp() - 1 - l).sum() / 2;
    EXPECT_LE(relative_error(kl, expected), 1e-6);
    kl.backward();
    expected.backward();
    EXPECT_LE(relative_error(mu.grad(), m.grad()), rounding(dtype));
    EXPECT_LE(relative_error(logvar.grad(), l.grad()), rounding(dtype));
  }
}

TEST(GaussianKl, TakesSlicesOfOneTensor) {
  const auto both = at::ones({3, 8}, at::kHalf).requires_grad_();
  gaussian_kl_sum(both.slice(1, 0, 4), both.slice(1, 4, 8)).backward();
  EXPECT_EQ(both.grad()[0][0].item<float>(), 1.0F);
  EXPECT_NEAR(both.grad()[0][4].item<float>(), 0.5 * (std::exp(1.0) - 1), 1e-3);
}

TEST(ToUnitRange, MapsEveryByteToTheNearestValue) {
  const auto bytes = at::arange(256, at::kByte).view({1, 1, 16, 16});
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
    EXPECT_TRUE(at::equal(to_unit_range(bytes, dtype), (bytes.to(at::kFloat) / 255).to(dtype)));
}

}  // namespace
}  // namespace ebb::numerics
