// SPDX-License-Identifier: Apache-2.0
// The ops with derivatives of any order, held against LibTorch's in fp64.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <functional>
#include <map>

#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

using Tensors = std::vector<at::Tensor>;
using Function = std::function<at::Tensor(const Tensors&)>;

struct Case {
  std::string name;
  Function op, framework;  // of the inputs
  Tensors inputs;          // fp64; the first is the one that the inner gradient is taken by
};

at::Tensor maybe_activated(const at::Tensor& z, Activation act) {
  return act == Activation::relu         ? at::relu(z)
         : act == Activation::leaky_relu ? at::leaky_relu(z, kLeakySlope)
                                         : z;
}

at::Tensor values(std::vector<std::int64_t> shape, double size = 1) {
  return at::randn(shape, at::kDouble) * size;
}

at::Tensor depthwise(const at::Tensor& x, bool up) {
  const auto line = at::tensor({1.0, 3.0, 3.0, 1.0}, at::kDouble);
  const auto kernel =
      (at::outer(line, line) / (up ? 16.0 : 64.0)).to(x.scalar_type()).expand({x.size(1), 1, 4, 4});
  return up ? at::conv_transpose2d(x, kernel, {}, 2, 1, 0, x.size(1))
            : at::conv2d(x, kernel, {}, 2, 1, 1, x.size(1));
}

std::vector<Case> cases(std::uint64_t seed = 5) {
  at::manual_seed(seed);
  std::vector<Case> all;
  for (const auto act : {Activation::none, Activation::relu, Activation::leaky_relu}) {
    const std::string suffix = " act " + std::to_string(static_cast<int>(act));
    all.push_back({"linear" + suffix,
                   [=](const Tensors& t) { return linear(t[0], t[1], t[2], act); },
                   [=](const Tensors& t) { return maybe_activated(at::linear(t[0], t[1], t[2]), act); },
                   {values({9, 12}), values({7, 12}, 0.3), values({7})}});
    for (const std::int64_t groups : {1, 3})
      for (const std::int64_t stride : {1, 2}) {
        const ConvOptions options{stride, 1, groups};
        const std::string shape = " groups " + std::to_string(groups) + " stride " + std::to_string(stride);
        all.push_back({"conv2d" + shape + suffix,
                       [=](const Tensors& t) { return conv2d(t[0], t[1], t[2], options, act); },
                       [=](const Tensors& t) {
                         return maybe_activated(at::conv2d(t[0], t[1], t[2], stride, 1, 1, groups), act);
                       },
                       {values({4, 6, 9, 8}), values({12, 6 / groups, 3, 3}, 0.3), values({12})}});
        all.push_back({"conv_transpose2d" + shape + suffix,
                       [=](const Tensors& t) { return conv_transpose2d(t[0], t[1], t[2], options, act); },
                       [=](const Tensors& t) {
                         return maybe_activated(at::conv_transpose2d(t[0], t[1], t[2], stride, 1, 0, groups),
                                                act);
                       },
                       {values({4, 6, 5, 4}), values({6, 12 / groups, 3, 3}, 0.3), values({12})}});
      }
  }
  for (const auto a : {Transpose::no, Transpose::yes})
    for (const auto b : {Transpose::no, Transpose::yes}) {
      const bool ta = a == Transpose::yes, tb = b == Transpose::yes;
      all.push_back({std::string("matmul") + (ta ? " ta" : "") + (tb ? " tb" : ""),
                     [=](const Tensors& t) { return matmul(t[0], a, t[1], b); },
                     [=](const Tensors& t) { return at::mm(ta ? t[0].t() : t[0], tb ? t[1].t() : t[1]); },
                     {ta ? values({8, 5}) : values({5, 8}), tb ? values({6, 8}) : values({8, 6})}});
    }
  all.push_back({"upsample2",
                 [](const Tensors& t) { return upsample2(t[0]); },
                 [](const Tensors& t) { return depthwise(t[0], true); },
                 {values({3, 5, 4, 6})}});
  all.push_back({"downsample2",
                 [](const Tensors& t) { return downsample2(t[0]); },
                 [](const Tensors& t) { return depthwise(t[0], false); },
                 {values({3, 5, 4, 6})}});
  const at::Tensor ids = at::randint(0, 4, {10}, at::kLong);
  all.push_back({"embed",
                 [=](const Tensors& t) { return embed(ids, t[0]); },
                 [=](const Tensors& t) { return at::embedding(t[0], ids); },
                 {values({4, 6})}});
  return all;
}

// The gradients of a penalty |d f / d x|^2 by all inputs, where f = sum of sin(y) weighs the elements of y.
Tensors penalty_gradients(const Function& op, const Tensors& inputs, at::ScalarType dtype) {
  Tensors leaves;
  for (const auto& input : inputs) leaves.push_back(input.to(dtype).requires_grad_());
  const at::Tensor f = op(leaves).to(at::kDouble).sin().sum();
  const at::Tensor gradient = torch::autograd::grad({f}, {leaves[0]}, {}, true, /*create_graph=*/true)[0];
  const at::Tensor penalty = gradient.to(at::kDouble).square().sum() + f;
  Tensors result = torch::autograd::grad({penalty}, leaves);
  result.push_back(gradient.detach());
  return result;
}

double distance(const at::Tensor& a, const at::Tensor& reference) {
  const at::Tensor r = reference.to(at::kDouble);
  return ((a.to(at::kDouble) - r).norm() / (r.norm() + 1e-30)).item<double>();
}

// Root mean square over several draws, since a single error is a matter of chance. Both have half a unit in
// the last place of fp32 from the rounding of the result.
TEST(HigherDerivatives, AreAsCloseToFp64AsThoseOfTheFramework) {
  constexpr int kDraws = 12;
  constexpr double kHalfUnit = 0x1p-24;
  std::map<std::string, std::vector<std::array<double, 2>>> squares;
  for (int draw = 0; draw < kDraws; ++draw)
    for (const Case& c : cases(5 + draw)) {
      const Tensors exact = penalty_gradients(c.framework, c.inputs, at::kDouble);
      const Tensors framework = penalty_gradients(c.framework, c.inputs, at::kFloat);
      const Tensors ours = penalty_gradients(c.op, c.inputs, at::kFloat);
      ASSERT_EQ(ours.size(), exact.size());
      auto& sums = squares[c.name];
      sums.resize(exact.size());
      for (std::size_t i = 0; i < exact.size(); ++i) {
        sums[i][0] += std::pow(distance(ours[i], exact[i]), 2) / kDraws;
        sums[i][1] += std::pow(distance(framework[i], exact[i]), 2) / kDraws;
      }
    }
  for (const auto& [name, sums] : squares)
    for (std::size_t i = 0; i < sums.size(); ++i)
      EXPECT_LE(std::sqrt(sums[i][0]), 2 * std::sqrt(sums[i][1]) + kHalfUnit) << name << ", gradient " << i;
}

TEST(HigherDerivatives, SixteenBitsAreWithinTheirRounding) {
  for (const auto& [dtype, bound] : {std::pair{at::kHalf, 0.004}, std::pair{at::kBFloat16, 0.03}})
    for (const Case& c : cases()) {
      SCOPED_TRACE(testing::Message() << c.name << " " << c10::toString(dtype));
      Tensors rounded;  // the same inputs for both
      for (const auto& input : c.inputs) rounded.push_back(input.to(dtype).to(at::kDouble));
      const Tensors exact = penalty_gradients(c.framework, rounded, at::kDouble);
      const Tensors ours = penalty_gradients(c.op, rounded, dtype);
      for (std::size_t i = 0; i < exact.size(); ++i)
        EXPECT_LE(distance(ours[i], exact[i]), bound) << "gradient " << i;
    }
}

// d^3 / dx^3 of sum(sin(y)) / 3 along one direction, by three passes.
TEST(HigherDerivatives, AThirdOneIsRightToo) {
  for (const Case& c : cases()) {
    SCOPED_TRACE(c.name);
    const auto third = [&](const Function& op, at::ScalarType dtype) {
      Tensors leaves;
      for (const auto& input : c.inputs) leaves.push_back(input.to(dtype).requires_grad_());
      at::Tensor f = op(leaves).to(at::kDouble).sin().sum();
      for (int order = 0; order < 3; ++order)
        f = torch::autograd::grad({f}, {leaves[0]}, {}, true, true)[0].to(at::kDouble).square().sum();
      return f.detach();
    };
    EXPECT_LE(distance(third(c.op, at::kFloat), third(c.framework, at::kDouble)), 1e-4);
  }
}

}  // namespace
}  // namespace ebb::numerics
