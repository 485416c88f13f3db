// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "numerics/close.h"
#include "numerics/cpu/tiles.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

struct Case {
  at::ScalarType dtype = at::kHalf;
  bool transposed = false;
  Activation act = Activation::none;
  std::int64_t batch = 3, in = 4, out = 5, height = 9, width = 8, kernel = 4, stride = 2, padding = 1,
               groups = 1;
  bool channels_last = false;
  std::int64_t workspace_bytes = kWorkspaceBytes;
};

at::Tensor framework(const at::Tensor& z, Activation act) {
  return act == Activation::relu         ? at::relu(z)
         : act == Activation::leaky_relu ? at::leaky_relu(z, kLeakySlope)
         : act == Activation::silu       ? at::silu(z)
                                         : z;
}

at::Tensor op(const Case& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  const ConvOptions options{c.stride, c.padding, c.groups};
  return c.transposed ? conv_transpose2d(x, w, b, options, c.act, c.workspace_bytes)
                      : conv2d(x, w, b, options, c.act, c.workspace_bytes);
}

at::Tensor reference(const Case& c, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b) {
  return framework(c.transposed ? at::conv_transpose2d(x, w, b, c.stride, c.padding, 0, c.groups)
                                : at::conv2d(x, w, b, c.stride, c.padding, 1, c.groups),
                   c.act);
}

struct Leaves {
  at::Tensor x, w, b;
};

Leaves leaves(const Case& c) {
  at::manual_seed(2);
  const std::vector<std::int64_t> shape =
      c.transposed ? std::vector<std::int64_t>{c.in, c.out / c.groups, c.kernel, c.kernel}
                   : std::vector<std::int64_t>{c.out, c.in / c.groups, c.kernel, c.kernel};
  at::Tensor x = at::randn({c.batch, c.in, c.height, c.width}).to(c.dtype);
  if (c.channels_last) x = x.contiguous(at::MemoryFormat::ChannelsLast);
  return {x.requires_grad_(), (at::randn(shape) * 0.2).to(c.dtype).requires_grad_(),
          at::randn({c.out}).to(c.dtype).requires_grad_()};
}

void expect_as_framework(const Case& c) {
  SCOPED_TRACE(testing::Message() << c10::toString(c.dtype) << (c.transposed ? " transposed" : "") << " act "
                                  << static_cast<int>(c.act) << " [" << c.batch << ", " << c.in << ", "
                                  << c.height << ", " << c.width << "] to " << c.out << ", kernel "
                                  << c.kernel << ", stride " << c.stride << ", padding " << c.padding
                                  << (c.channels_last ? ", channels last" : ""));
  const Leaves l = leaves(c);
  const Leaves r{l.x.detach().to(at::kDouble).requires_grad_(), l.w.detach().to(at::kDouble).requires_grad_(),
                 l.b.detach().to(at::kDouble).requires_grad_()};
  const auto y = op(c, l.x, l.w, l.b);
  const auto yr = reference(c, r.x, r.w, r.b);
  ASSERT_EQ(y.sizes(), yr.sizes());
  EXPECT_LE(relative_error(y, yr), rounding(c.dtype));
  const auto dy = at::randn(y.sizes()).to(c.dtype);
  y.backward(dy);
  yr.backward(dy.to(at::kDouble));
  EXPECT_LE(relative_error(l.x.grad(), r.x.grad()), 2 * rounding(c.dtype));
  EXPECT_LE(relative_error(l.w.grad(), r.w.grad()), 2 * rounding(c.dtype));
  EXPECT_LE(relative_error(l.b.grad(), r.b.grad()), 2 * rounding(c.dtype));
}

TEST(Convolution, AgreesWithTheFrameworkInEveryDtypeAndActivation) {
  for (const bool transposed : {false, true})
    for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
      for (const auto act : {Activation::none, Activation::relu, Activation::leaky_relu, Activation::silu})
        expect_as_framework({.dtype = dtype, .transposed = transposed, .act = act});
}

TEST(Convolution, AgreesForOddSizes) {
  for (const bool transposed : {false, true}) {
    for (const std::int64_t in : {1, 3, 16, 33})
      for (const std::int64_t out : {1, 7, 16})
        expect_as_framework(
            {.transposed = transposed, .act = Activation::relu, .batch = 1, .in = in, .out = out});
    expect_as_framework({.transposed = transposed, .kernel = 3, .stride = 1});
    expect_as_framework(
        {.transposed = transposed, .height = 5, .width = 11, .kernel = 3, .stride = 2, .padding = 0});
    expect_as_framework(
        {.transposed = transposed, .height = 6, .width = 6, .kernel = 1, .stride = 1, .padding = 0});
    expect_as_framework({.transposed = transposed,
                         .height = 1,
                         .width = 1,
                         .kernel = 2,
                         .stride = 2,
                         .padding = transposed ? 0 : 1});
  }
}

TEST(Convolution, AgreesForGroups) {
  for (const bool transposed : {false, true})
    for (const auto dtype : {at::kFloat, at::kHalf})
      for (const std::int64_t groups : {2, 4, 12})
        for (const std::int64_t workspace_bytes : {kWorkspaceBytes, std::int64_t{8192}})
          expect_as_framework({.dtype = dtype,
                               .transposed = transposed,
                               .act = Activation::leaky_relu,
                               .batch = 5,
                               .in = 12,
                               .out = 24,
                               .kernel = 3,
                               .stride = 1,
                               .groups = groups,
                               .workspace_bytes = workspace_bytes});
  expect_as_framework({.batch = 3, .in = 64, .out = 64, .kernel = 3, .stride = 1, .groups = 4});
}

TEST(Convolution, AgreesForEitherLayoutOfItsInput) {
  for (const bool transposed : {false, true})
    for (const bool last : {false, true})
      expect_as_framework({.transposed = transposed, .act = Activation::silu, .channels_last = last});
}

TEST(Convolution, AgreesWithManyChunks) {
  for (const bool transposed : {false, true})
    for (const auto dtype : {at::kFloat, at::kHalf})
      expect_as_framework({.dtype = dtype,
                           .transposed = transposed,
                           .act = Activation::relu,
                           .batch = 23,
                           .workspace_bytes = 8192});
}

TEST(Convolution, AgreesForAModelsSizes) {
  expect_as_framework({.act = Activation::relu, .batch = 33, .in = 1, .out = 32, .height = 28, .width = 28});
  expect_as_framework({.act = Activation::relu, .batch = 33, .in = 32, .out = 64, .height = 14, .width = 14});
  expect_as_framework({.transposed = true,
                       .act = Activation::relu,
                       .batch = 33,
                       .in = 64,
                       .out = 32,
                       .height = 7,
                       .width = 7});
  expect_as_framework({.transposed = true, .batch = 33, .in = 32, .out = 1, .height = 14, .width = 14});
}

TEST(Convolution, AnEmptyBatchGivesAnEmptyResultAndZeroGradients) {
  for (const bool transposed : {false, true}) {
    const Case c{.transposed = transposed, .act = Activation::relu, .batch = 0};
    const Leaves l = leaves(c);
    const auto y = op(c, l.x, l.w, l.b);
    EXPECT_EQ(y.size(0), 0);
    y.backward(at::zeros(y.sizes(), at::kHalf));
    EXPECT_TRUE(l.w.grad().eq(0).all().item<bool>());
    EXPECT_TRUE(l.b.grad().eq(0).all().item<bool>());
  }
}

TEST(Convolution, GivesTheSameBitsOnOneAndTwoThreads) {
  const int before = at::get_num_threads();
  for (const bool transposed : {false, true}) {
    const Case c{.transposed = transposed,
                 .act = Activation::silu,
                 .batch = 40,
                 .in = 8,
                 .out = 16,
                 .workspace_bytes = 64 << 10};
    const Leaves l = leaves(c);
    std::vector<at::Tensor> results;
    for (const int threads : {1, 2}) {
      at::set_num_threads(threads);
      const auto y = op(c, l.x, l.w, l.b);
      auto grads = torch::autograd::grad({y}, {l.x, l.w, l.b}, {at::ones_like(y)});
      results.push_back(at::cat({y.flatten(), grads[0].flatten(), grads[1].flatten(), grads[2]}).detach());
    }
    EXPECT_TRUE(at::equal(bits(results[0]), bits(results[1])));
  }
  at::set_num_threads(before);
}

// Otherwise a last bit would move with the number of ranks, and a leaky ReLU would turn it into another
// gradient. Without AVX-512 the products are those of BLAS, whose order of sums depends on the size.
TEST(Convolution, ASampleHasTheSameBitsInEveryBatch) {
  struct Size {
    std::int64_t in, out, side;
  };
  for (const bool transposed : {false, true})
    for (const auto& [in, out, side] : {Size{16, 16, 9}, Size{64, 64, 4}, Size{64, 32, 8}, Size{32, 16, 16},
                                        Size{16, 32, 32}, Size{32, 64, 16}, Size{64, 64, 8}}) {
      SCOPED_TRACE(testing::Message() << "transposed " << transposed << ", " << in << " to " << out
                                      << " channels, side " << side);
      const Case c{.dtype = at::kFloat,
                   .transposed = transposed,
                   .batch = 21,
                   .in = in,
                   .out = out,
                   .height = side,
                   .width = side,
                   .channels_last = true};
      const Leaves l = leaves(c);
      const at::Tensor y = op(c, l.x, l.w, l.b), dy = at::randn(y.sizes());
      y.backward(dy);
      for (std::int64_t first = 0; first < c.batch; first += 7) {
        const at::Tensor x = l.x.detach().narrow(0, first, 7).clone().requires_grad_();
        const at::Tensor part = op(c, x, l.w, l.b);
        part.backward(dy.narrow(0, first, 7));
        const at::Tensor whole = y.detach().narrow(0, first, 7), gradient = l.x.grad().narrow(0, first, 7);
        if (cpu::avx512_tiles() != nullptr) {
          EXPECT_TRUE(at::equal(part.detach(), whole)) << "from sample " << first;
          EXPECT_TRUE(at::equal(x.grad(), gradient)) << "from sample " << first;
        } else {
          EXPECT_LE(relative_error(part, whole), 1e-6) << "from sample " << first;
          EXPECT_LE(relative_error(x.grad(), gradient), 1e-6) << "from sample " << first;
        }
      }
    }
}

TEST(Convolution, AGradientThatIsNotWantedIsNotMade) {
  const Case c{};
  Leaves l = leaves(c);
  l.x = l.x.detach();
  op(c, l.x, l.w, l.b).sum().backward();
  EXPECT_FALSE(l.x.grad().defined());
  EXPECT_TRUE(l.w.grad().defined());
}

TEST(Convolution, RefusesChannelsThatDoNotFit) {
  const auto x = at::zeros({1, 3, 8, 8}, at::kHalf);
  const auto w = at::zeros({4, 2, 4, 4}, at::kHalf);
  EXPECT_THROW(conv2d(x, w, at::zeros({4}, at::kHalf), {2, 1}), Error);
  EXPECT_THROW(conv2d(x.to(at::kFloat), w, at::zeros({4}, at::kHalf), {2, 1}), Error);
}

}  // namespace
}  // namespace ebb::numerics
