// SPDX-License-Identifier: Apache-2.0
#include "optim/weight_average.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

namespace ebb::optim {
namespace {

std::vector<core::Parameter> weight_and_bias(at::ScalarType dtype) {
  std::vector<core::Parameter> all(2);
  all[0].name = "w";
  all[0].tensor = at::zeros({3, 4}, dtype).requires_grad_();
  all[1].name = "b";
  all[1].tensor = at::zeros({3}, dtype).requires_grad_();
  return all;
}

at::Tensor master(int step, std::vector<std::int64_t> shape) {
  at::manual_seed(step + 1);
  return at::randn(shape);
}

TEST(WeightAverage, IsThatOfTheFp32Masters) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const auto own = weight_and_bias(dtype);
    Optimizer optimizer({}, own);
    WeightAverage average(own, "average");
    at::Tensor expected;
    for (int step = 0; step < 5; ++step) {
      optimizer.set_master(0, master(step, {3, 4}));
      const double decay = 0.5 + 0.1 * step;
      average.update(optimizer, decay);
      const at::Tensor now = master(step, {3, 4});
      expected = step == 0 ? now : expected * decay + now * (1 - decay);
    }
    const at::Tensor found = average.state().tensors.at("w");
    EXPECT_EQ(found.scalar_type(), at::kFloat);
    EXPECT_LE((found - expected).abs().max().item<float>(), 1e-6);
  }
}

TEST(WeightAverage, AScopeSwapsTheWeightsAndRestoresTheirBits) {
  const auto own = weight_and_bias(at::kHalf);
  Optimizer optimizer({}, own);
  WeightAverage average(own, "average");
  optimizer.set_master(0, master(0, {3, 4}));
  const at::Tensor before = own[0].tensor.detach().clone();
  {
    const AverageScope none(&average);
  }  // not updated yet
  EXPECT_TRUE(at::equal(own[0].tensor, before));
  average.update(optimizer, 0.9);
  optimizer.set_master(0, master(1, {3, 4}));
  const at::Tensor now = own[0].tensor.detach().clone();
  {
    const AverageScope scope(&average);
    EXPECT_TRUE(at::equal(own[0].tensor, before));
  }
  EXPECT_TRUE(at::equal(own[0].tensor, now));
}

TEST(WeightAverage, TheHalfLifeHalvesTheShareOfAnOldWeight) {
  AverageConfig config;
  config.half_life = 1000;
  EXPECT_DOUBLE_EQ(config.decay(0, 1000), 0.5);
  EXPECT_DOUBLE_EQ(config.decay(123456, 2000), 0.25);
  config.ramp = {core::Curve::linear, 4000};
  EXPECT_DOUBLE_EQ(config.decay(0, 250), 0);
  EXPECT_DOUBLE_EQ(config.decay(1000, 250), 0.5);  // a half-life of 250
  EXPECT_DOUBLE_EQ(config.decay(8000, 1000), 0.5);
}

}  // namespace
}  // namespace ebb::optim
