// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/philox.h"
#include "numerics/close.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

constexpr auto kLatent = static_cast<std::uint32_t>(RandomStream::latent);

TEST(PhiloxNormal, IsAStandardNormal) {
  const auto n = philox_normal(2000, 32, 7, kLatent, 0, at::kFloat, at::kCPU);
  EXPECT_NEAR(n.mean().item<double>(), 0, 0.02);
  EXPECT_NEAR(n.std().item<double>(), 1, 0.02);
  EXPECT_NEAR(n.pow(4).mean().item<double>(), 3, 0.15);
}

TEST(PhiloxNormal, IsTheSameForASampleInAnyBatch) {
  const auto whole = philox_normal(10, 5, 7, kLatent, 100, at::kFloat, at::kCPU);
  const auto part = philox_normal(4, 5, 7, kLatent, 103, at::kFloat, at::kCPU);
  EXPECT_TRUE(at::equal(whole.slice(0, 3, 7), part));
  EXPECT_FALSE(at::equal(whole, philox_normal(10, 5, 8, kLatent, 100, at::kFloat, at::kCPU)));
  EXPECT_FALSE(at::equal(whole, philox_normal(10, 5, 7, kLatent + 1, 100, at::kFloat, at::kCPU)));
}

TEST(PhiloxNormal, FollowsTheCounterThatItsHeaderNames) {
  const auto n = philox_normal(1, 6, 9, kLatent, 41, at::kFloat, at::kCPU);
  const auto block = normals(random_bits(9, RandomStream::latent, 41, 1));
  EXPECT_EQ(n[0][4].item<float>(), block[0]);
  EXPECT_EQ(n[0][5].item<float>(), block[1]);
}

TEST(Reparameterize, AgreesWithTheFormulaAndItsGradient) {
  for (const auto dtype : {at::kFloat, at::kHalf}) {
    at::manual_seed(5);
    const auto mu = at::randn({9, 7}).to(dtype).requires_grad_();
    const auto logvar = at::randn({9, 7}).to(dtype).requires_grad_();
    const auto m = mu.detach().to(at::kFloat).requires_grad_();
    const auto l = logvar.detach().to(at::kFloat).requires_grad_();
    const auto z = reparameterize(mu, logvar, 11, 1000);
    const auto expected = m + (l / 2).exp() * philox_normal(9, 7, 11, kLatent, 1000, at::kFloat, at::kCPU);
    EXPECT_LE(relative_error(z, expected), rounding(dtype));
    const auto dz = at::randn({9, 7}).to(dtype);
    z.backward(dz);
    expected.backward(dz.to(at::kFloat));
    EXPECT_LE(relative_error(mu.grad(), m.grad()), rounding(dtype));
    EXPECT_LE(relative_error(logvar.grad(), l.grad()), rounding(dtype));
  }
}

TEST(Reparameterize, ASplitBatchGivesTheSameNumbers) {
  const auto mu = at::zeros({8, 32}, at::kHalf);
  const auto whole = reparameterize(mu, mu, 3, 500);
  const auto halves = at::cat({reparameterize(mu.slice(0, 0, 4), mu.slice(0, 0, 4), 3, 500),
                               reparameterize(mu.slice(0, 4, 8), mu.slice(0, 4, 8), 3, 504)});
  EXPECT_TRUE(at::equal(bits(whole), bits(halves)));
}

}  // namespace
}  // namespace ebb::numerics
