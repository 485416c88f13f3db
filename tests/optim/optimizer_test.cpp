// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "numerics/update.h"

namespace ebb::optim {
namespace {

std::vector<core::Parameter> parameters(at::ScalarType dtype) {
  core::Parameter weight;
  weight.name = "layer.weight";
  weight.tensor = at::zeros({7, 5}, dtype).requires_grad_();
  core::Parameter bias;
  bias.name = "layer.bias";
  bias.tensor = at::zeros({7}, dtype).requires_grad_();
  bias.decay = false;
  return {weight, bias};
}

std::vector<at::Tensor> gradients(int seed, at::ScalarType dtype) {
  at::manual_seed(seed);
  return {at::randn({35}).to(dtype), at::randn({7}).to(dtype)};
}

TEST(Optimizer, NamesItsStateAfterItsParameters) {
  Optimizer half({}, parameters(at::kHalf));
  std::vector<std::string> names;
  for (const auto& [name, tensor] : half.state().tensors) names.push_back(name);
  EXPECT_EQ(names, (std::vector<std::string>{"layer.bias.m", "layer.bias.residual", "layer.bias.v",
                                             "layer.weight.m", "layer.weight.residual", "layer.weight.v"}));
  EXPECT_EQ(Optimizer({}, parameters(at::kFloat)).state().tensors.size(), 4U);
}

TEST(Optimizer, SetMasterFillsWeightAndResidual) {
  const auto p = parameters(at::kHalf);
  Optimizer optimizer({}, p);
  at::manual_seed(1);
  const at::Tensor master = at::randn({7, 5});
  optimizer.set_master(0, master);
  EXPECT_TRUE(at::equal(p[0].tensor, master.to(at::kHalf)));
  EXPECT_TRUE(at::equal(
      numerics::join_master(p[0].tensor.detach(), optimizer.state().tensors.at("layer.weight.residual")),
      master.flatten()));
}

TEST(Optimizer, OnlyParametersThatDecayDecay) {
  const auto p = parameters(at::kFloat);
  OptimizerConfig config;
  config.weight_decay = 0.5;
  Optimizer optimizer(config, p);
  optimizer.set_master(0, at::ones({7, 5}));
  optimizer.set_master(1, at::ones({7}));
  optimizer.step({at::zeros({35}), at::zeros({7})}, {0.1, 0.999}, {});
  EXPECT_FLOAT_EQ(p[0].tensor[0][0].item<float>(), 0.95F);
  EXPECT_FLOAT_EQ(p[1].tensor[0].item<float>(), 1.0F);
  EXPECT_EQ(optimizer.steps_taken(), 1);
}

TEST(Optimizer, DividesByTheLossScaleAndClipsToItsOwnNorm) {
  const auto clipped = parameters(at::kFloat), reference = parameters(at::kFloat);
  OptimizerConfig config;
  config.clip_norm = 0.5;
  Optimizer one(config, clipped);
  config.clip_norm = 0;
  Optimizer two(config, reference);
  const auto grads = gradients(3, at::kFloat);
  one.step(grads, {0.1, 0.999}, {.loss_scale = 8, .norm = 2.0});
  // AdamW does not depend on the gradients' scale in its first step, but its moments do.
  two.step({grads[0] * (0.25 / 8), grads[1] * (0.25 / 8)}, {0.1, 0.999}, {});
  const core::State ours = one.state(), theirs = two.state();
  for (const auto& [name, tensor] : ours.tensors)
    EXPECT_TRUE(at::allclose(tensor, theirs.tensors.at(name), 1e-6, 0)) << name;
}

TEST(Optimizer, TakesGradientsOfAnyFloatTypeAndShape) {
  const auto p = parameters(at::kHalf);
  Optimizer optimizer({}, p);
  optimizer.step({at::ones({7, 5}, at::kHalf), at::ones({7}, at::kFloat)}, {0.1, 0.999}, {});
  EXPECT_NEAR(p[0].tensor[0][0].item<float>(), -0.1, 1e-3);
  EXPECT_NEAR(p[1].tensor[0].item<float>(), -0.1, 1e-3);
}

TEST(Optimizer, RestoredItStepsToTheSameBits) {
  const auto one = parameters(at::kHalf);
  const auto two = parameters(at::kHalf);
  Optimizer a({}, one);
  at::manual_seed(2);
  a.set_master(0, at::randn({7, 5}));
  a.set_master(1, at::randn({7}));
  for (int step = 0; step < 3; ++step) a.step(gradients(step, at::kHalf), {1e-2, 0.999}, {.loss_scale = 2});

  Optimizer b({}, two);
  const core::State saved = a.state();
  core::State fresh = b.state();
  for (auto& [name, tensor] : fresh.tensors) tensor.copy_(saved.tensors.at(name));
  {
    const at::NoGradGuard no_grad;
    for (std::size_t i = 0; i < one.size(); ++i) two[i].tensor.copy_(one[i].tensor);
  }
  b.restore(saved.values);
  EXPECT_EQ(b.steps_taken(), 3);
  for (int step = 3; step < 6; ++step) {
    a.step(gradients(step, at::kHalf), {1e-2, 0.999}, {.loss_scale = 2});
    b.step(gradients(step, at::kHalf), {1e-2, 0.999}, {.loss_scale = 2});
  }
  for (std::size_t i = 0; i < one.size(); ++i) EXPECT_TRUE(at::equal(one[i].tensor, two[i].tensor));
  for (const auto& [name, tensor] : a.state().tensors)
    EXPECT_TRUE(at::equal(tensor, b.state().tensors.at(name))) << name;
}

TEST(Optimizer, RefusesAnotherNumberOfGradients) {
  Optimizer optimizer({}, parameters(at::kFloat));
  EXPECT_THROW(optimizer.step({at::zeros({35})}, {0.1, 0.999}, {}), Error);
}

}  // namespace
}  // namespace ebb::optim
