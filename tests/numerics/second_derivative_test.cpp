// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <functional>

#include "base/error.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

struct Op {
  std::string name;
  std::function<at::Tensor(const at::Tensor& x)> run;  // x [2, 4] or its image
  std::vector<std::int64_t> shape;
};

// The ops with first derivatives alone; higher_derivatives_test.cpp has the others.
std::vector<Op> all_ops() {
  const auto zeros = [](std::vector<std::int64_t> shape) { return at::ones(shape); };
  return {
      {"linear",
       [=](const at::Tensor& x) { return linear(x, zeros({3, 4}), zeros({3}), Activation::silu); },
       {2, 4}},
      {"conv2d",
       [=](const at::Tensor& x) {
         return conv2d(x, zeros({3, 1, 4, 4}), zeros({3}), {2, 1}, Activation::silu);
       },
       {2, 1, 4, 4}},
      {"conv_transpose2d",
       [=](const at::Tensor& x) {
         return conv_transpose2d(x, zeros({1, 3, 4, 4}), zeros({3}), {2, 1}, Activation::gelu);
       },
       {2, 1, 4, 4}},
      {"bernoulli_nll_sum",
       [=](const at::Tensor& x) { return bernoulli_nll_sum(x, at::zeros({2, 1, 4, 4}, at::kByte)); },
       {2, 1, 4, 4}},
      {"layer_norm",
       [=](const at::Tensor& x) { return layer_norm(x, zeros({4}), zeros({4}), 1e-5); },
       {2, 4}},
      {"rms_norm", [=](const at::Tensor& x) { return rms_norm(x, zeros({4}), 1e-5); }, {2, 4}},
      {"layer_norm",
       [=](const at::Tensor& x) { return add_layer_norm(x, x, zeros({4}), zeros({4}), 1e-5).norm; },
       {2, 4}},
      {"rms_norm", [=](const at::Tensor& x) { return add_rms_norm(x, x, zeros({4}), 1e-5).sum; }, {2, 4}},
      {"swiglu", [](const at::Tensor& x) { return swiglu(x, x); }, {2, 4}},
      {"attention", [](const at::Tensor& x) { return attention(x, {1, 1}); }, {1, 2, 6}},
      {"head_cross_entropy",
       [=](const at::Tensor& x) { return head_cross_entropy(x, zeros({3, 4}), at::zeros({2}, at::kLong)); },
       {2, 4}},
      {"gaussian_kl_sum", [=](const at::Tensor& x) { return gaussian_kl_sum(x, x); }, {2, 4}},
      {"reparameterize", [=](const at::Tensor& x) { return reparameterize(x, x, 1, 0); }, {2, 4}},
  };
}

TEST(SecondDerivative, EveryOpRefusesItByName) {
  for (const Op& op : all_ops()) {
    SCOPED_TRACE(op.name);
    const auto x = at::ones(op.shape).requires_grad_();
    const auto y = op.run(x).sum();
    try {
      torch::autograd::grad({y}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true);
      ADD_FAILURE() << "returned a graph of its backward";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::internal);
      EXPECT_THAT(e.what(), testing::HasSubstr(op.name + ": no second derivative"));
    }
  }
}

TEST(SecondDerivative, TheFirstOneIsGiven) {
  for (const Op& op : all_ops()) {
    SCOPED_TRACE(op.name);
    const auto x = at::ones(op.shape).requires_grad_();
    op.run(x).sum().backward();
    EXPECT_EQ(x.grad().sizes(), x.sizes());
  }
}

}  // namespace
}  // namespace ebb::numerics
