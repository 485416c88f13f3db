// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "numerics/close.h"
#include "numerics/cpu/product.h"
#include "numerics/cpu/tiles.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

struct Case {
  at::ScalarType dtype;
  Activation act;
  std::int64_t batch, in, out;
  std::int64_t workspace_bytes = kWorkspaceBytes;
};

at::Tensor framework(const at::Tensor& z, Activation act) {
  return act == Activation::relu         ? at::relu(z)
         : act == Activation::leaky_relu ? at::leaky_relu(z, kLeakySlope)
         : act == Activation::silu       ? at::silu(z)
         : act == Activation::gelu       ? at::gelu(z, "tanh")
                                         : z;
}

at::Tensor leaf(std::vector<std::int64_t> shape, at::ScalarType dtype, double size = 1) {
  return (at::randn(shape) * size).to(dtype).requires_grad_();
}

at::Tensor twin(const at::Tensor& t) {
  return t.detach().to(at::kDouble).requires_grad_();
}

// Compares with LibTorch's fp32 operators on the same rounded values.
void expect_as_framework(const Case& c) {
  at::manual_seed(1);
  const auto x = leaf({c.batch, c.in}, c.dtype);
  const auto w = leaf({c.out, c.in}, c.dtype, 0.2);
  const auto b = leaf({c.out}, c.dtype);
  const auto xr = twin(x);
  const auto wr = twin(w);
  const auto br = twin(b);
  const auto y = linear(x, w, b, c.act, c.workspace_bytes);
  const auto yr = framework(at::linear(xr, wr, br), c.act);
  ASSERT_EQ(y.scalar_type(), c.dtype);
  ASSERT_EQ(y.sizes(), yr.sizes());
  EXPECT_LE(relative_error(y, yr), rounding(c.dtype));
  const auto dy = at::randn(y.sizes()).to(c.dtype);
  y.backward(dy);
  yr.backward(dy.to(at::kDouble));
  EXPECT_LE(relative_error(x.grad(), xr.grad()), 2 * rounding(c.dtype));
  EXPECT_LE(relative_error(w.grad(), wr.grad()), 2 * rounding(c.dtype));
  EXPECT_LE(relative_error(b.grad(), br.grad()), 2 * rounding(c.dtype));
}

TEST(Linear, AgreesWithTheFrameworkInEveryDtypeAndActivation) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
    for (const auto act :
         {Activation::none, Activation::relu, Activation::leaky_relu, Activation::silu, Activation::gelu})
      for (const auto [batch, in, out] : {std::array<std::int64_t, 3>{1, 5, 3}, {3, 17, 33}, {37, 130, 65}}) {
        SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " act " << static_cast<int>(act) << " "
                                        << batch << "x" << in << "x" << out);
        expect_as_framework({dtype, act, batch, in, out});
      }
}

TEST(Linear, AgreesWithManyBlocksInEveryDirection) {
  for (const auto dtype : {at::kFloat, at::kHalf})
    for (const auto act :
         {Activation::none, Activation::relu, Activation::leaky_relu, Activation::silu, Activation::gelu})
      expect_as_framework({dtype, act, 45, 131, 67, 4096});
}

TEST(Linear, TakesAnyLeadingDimensionsAndNoBias) {
  at::manual_seed(2);
  const auto x = leaf({2, 3, 9}, at::kHalf), w = leaf({5, 9}, at::kHalf);
  const auto xr = twin(x), wr = twin(w);
  const auto y = linear(x, w, at::Tensor(), Activation::gelu);
  const auto yr = at::gelu(at::linear(xr, wr), "tanh");
  ASSERT_EQ(y.sizes(), yr.sizes());
  EXPECT_LE(relative_error(y, yr), rounding(at::kHalf));
  y.sum().backward();
  yr.sum().backward();
  EXPECT_LE(relative_error(x.grad(), xr.grad()), 2 * rounding(at::kHalf));
  EXPECT_LE(relative_error(w.grad(), wr.grad()), 2 * rounding(at::kHalf));
}

TEST(Linear, HoldsNoMoreWorkspaceThanTheLimit) {
  for (const std::int64_t limit : {std::int64_t{64} << 10, std::int64_t{1} << 20}) {
    for (const std::int64_t m : {1, 7, 300, 5000})
      for (const std::int64_t n : {1, 9, 4096})
        for (const std::int64_t k : {1, 500, 65536})
          EXPECT_LE(cpu::product_workspace(m, n, k, false, limit) * 4, limit) << m << " " << n << " " << k;
  }
}

TEST(Linear, AnEmptyBatchGivesAnEmptyResultAndZeroGradients) {
  const auto x = leaf({0, 6}, at::kHalf);
  const auto w = leaf({4, 6}, at::kHalf);
  const auto b = leaf({4}, at::kHalf);
  const auto y = linear(x, w, b, Activation::relu);
  EXPECT_EQ(y.sizes(), (std::vector<std::int64_t>{0, 4}));
  y.backward(at::zeros({0, 4}, at::kHalf));
  EXPECT_TRUE(w.grad().eq(0).all().item<bool>());
  EXPECT_TRUE(b.grad().eq(0).all().item<bool>());
}

TEST(Linear, AnOverflowIsSeenAsInfinity) {
  const auto y = linear(at::full({1, 4}, 300.0, at::kHalf), at::full({1, 4}, 300.0, at::kHalf),
                        at::zeros({1}, at::kHalf));
  EXPECT_TRUE(y.isinf().all().item<bool>());
}

TEST(Linear, NanIsNotHiddenByRelu) {
  const auto x = at::full({1, 4}, std::numeric_limits<float>::quiet_NaN()).to(at::kHalf);
  const auto y = linear(x, at::ones({1, 4}, at::kHalf), at::zeros({1}, at::kHalf), Activation::relu);
  EXPECT_TRUE(y.isnan().all().item<bool>());
}

TEST(Linear, GivesTheSameBitsOnAnyNumberOfThreads) {
  const auto x = leaf({64, 300}, at::kHalf);
  const auto w = leaf({200, 300}, at::kHalf);
  const auto b = leaf({200}, at::kHalf);
  std::vector<at::Tensor> results;
  const int before = at::get_num_threads();
  for (const int threads : {1, 2, 3, 5, 8}) {
    at::set_num_threads(threads);
    const auto y = linear(x, w, b, Activation::silu);
    auto grads = torch::autograd::grad({y}, {x, w, b}, {at::ones_like(y)});
    results.push_back(at::cat({y.flatten(), grads[0].flatten(), grads[1].flatten(), grads[2]}).detach());
  }
  at::set_num_threads(before);
  for (std::size_t i = 1; i < results.size(); ++i)
    EXPECT_TRUE(at::equal(bits(results[0]), bits(results[i]))) << i;
}

// Without AVX-512 the products are those of BLAS. A batch of at most four rows has a product of its own.
TEST(Linear, ARowHasTheSameBitsInEveryBatch) {
  if (cpu::avx512_tiles() == nullptr) GTEST_SKIP() << "BLAS sums in an order that depends on the size";
  for (const auto& [in, out] : {std::pair{64, 1024}, {16, 1}, {1, 16}, {1024, 1}, {48, 48}})
    for (const std::int64_t rows : {cpu::kFewRows + 1, std::int64_t{16}, std::int64_t{64}}) {
      at::manual_seed(1);
      const std::int64_t batch = 4 * rows;
      const auto x = leaf({batch, in}, at::kFloat), w = leaf({out, in}, at::kFloat, 0.2),
                 b = leaf({out}, at::kFloat);
      const auto y = linear(x, w, b, Activation::none), dy = at::randn(y.sizes());
      y.backward(dy);
      std::int64_t other = 0, other_gradients = 0;
      for (std::int64_t first = 0; first < batch; first += rows) {
        const auto part = x.detach().narrow(0, first, rows).clone().requires_grad_();
        const auto alone = linear(part, w, b, Activation::none);
        alone.backward(dy.narrow(0, first, rows));
        other += alone.detach().ne(y.detach().narrow(0, first, rows)).sum().item<std::int64_t>();
        other_gradients += part.grad().ne(x.grad().narrow(0, first, rows)).sum().item<std::int64_t>();
      }
      EXPECT_EQ(other, 0) << in << " to " << out << ", rows " << rows;
      EXPECT_EQ(other_gradients, 0) << in << " to " << out << ", rows " << rows;
    }
}

// If both gradients are requested, their products are grouped.
TEST(Linear, AGradientAloneHasTheBitsOfBoth) {
  const auto x = leaf({64, 300}, at::kHalf), w = leaf({200, 300}, at::kHalf);
  const auto gradients = [](const at::Tensor& in, const at::Tensor& by, const std::vector<at::Tensor>& of) {
    const auto y = linear(in, by, at::Tensor(), Activation::gelu);
    return torch::autograd::grad({y}, of, {at::ones_like(y)});
  };
  const int before = at::get_num_threads();
  at::set_num_threads(2);  // one thread runs them one after the other
  const auto both = gradients(x, w, {x, w});
  EXPECT_TRUE(at::equal(bits(both[0]), bits(gradients(x, w.detach(), {x})[0])));
  EXPECT_TRUE(at::equal(bits(both[1]), bits(gradients(x.detach(), w, {w})[0])));
  at::set_num_threads(before);
}

}  // namespace
}  // namespace ebb::numerics
