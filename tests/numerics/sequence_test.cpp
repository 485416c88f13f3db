// SPDX-License-Identifier: Apache-2.0
#include "numerics/sequence.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "numerics/close.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

constexpr at::ScalarType kDtypes[] = {at::kFloat, at::kHalf, at::kBFloat16};

at::Tensor leaf(std::vector<std::int64_t> shape, at::ScalarType dtype, double size = 1, double shift = 0) {
  return (at::randn(shape) * size + shift).to(dtype).requires_grad_();
}
at::Tensor twin(const at::Tensor& t) {
  return t.detach().to(at::kDouble).requires_grad_();
}

// Compares the op with LibTorch's fp64 on the same rounded values, forward and backward.
template <class Op, class Reference>
void expect_alike(const std::vector<at::Tensor>& inputs, const Op& op, const Reference& reference) {
  std::vector<at::Tensor> twins;
  for (const at::Tensor& t : inputs) twins.push_back(twin(t));
  const at::ScalarType dtype = inputs[0].scalar_type();
  const at::Tensor y = op(inputs), yr = reference(twins);
  ASSERT_EQ(y.scalar_type(), dtype);
  ASSERT_EQ(y.sizes(), yr.sizes());
  EXPECT_LE(relative_error(y, yr), rounding(dtype));
  const at::Tensor dy = at::randn(y.sizes()).to(dtype);
  y.backward(dy);
  yr.backward(dy.to(at::kDouble));
  const double scale =
      dy.to(at::kDouble).square().mean().sqrt().item<double>();  // a norm of one column has 0
  for (std::size_t i = 0; i < inputs.size(); ++i)
    EXPECT_LE(relative_error(inputs[i].grad(), twins[i].grad(), scale), 2 * rounding(dtype))
        << "gradient " << i;
}

TEST(LayerNorm, AgreesWithTheFramework) {
  at::manual_seed(1);
  for (const auto dtype : kDtypes)
    for (const std::int64_t columns : {2, 7, 384, 1500}) {  // the last is longer than a block
      SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " " << columns);
      expect_alike(
          {leaf({3, 67, columns}, dtype, 2, 0.5), leaf({columns}, dtype), leaf({columns}, dtype)},
          [](const auto& t) { return layer_norm(t[0], t[1], t[2], 1e-5); },
          [&](const auto& t) { return at::layer_norm(t[0], {columns}, t[1], t[2], 1e-5); });
    }
}

TEST(RmsNorm, AgreesWithTheFramework) {
  at::manual_seed(2);
  for (const auto dtype : kDtypes)
    for (const std::int64_t columns : {1, 7, 384, 1500}) {
      SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " " << columns);
      expect_alike(
          {leaf({3, 67, columns}, dtype, 2, 0.5), leaf({columns}, dtype)},
          [](const auto& t) { return rms_norm(t[0], t[1], 1e-6); },
          [&](const auto& t) { return at::rms_norm(t[0], {columns}, t[1], 1e-6); });
    }
}

// The bits of a sum followed by a norm, forward and backward.
TEST(Norms, WithAnAdditionHaveTheBitsOfASumThenANorm) {
  at::manual_seed(3);
  for (const auto dtype : kDtypes)
    for (const bool rms : {false, true}) {
      SCOPED_TRACE(testing::Message() << c10::toString(dtype) << (rms ? " rms" : " layer"));
      const std::vector<at::Tensor> in = {leaf({3, 67, 97}, dtype, 2, 0.5), leaf({3, 67, 97}, dtype),
                                          leaf({97}, dtype), leaf({97}, dtype)};
      const at::Tensor d_sum = at::randn({3, 67, 97}).to(dtype), dy = at::randn({3, 67, 97}).to(dtype);
      const auto gradients = [&](const AddNorm& out) {
        auto all = torch::autograd::grad({out.sum, out.norm}, rms ? at::ArrayRef(in).slice(0, 3).vec() : in,
                                         {d_sum, dy});
        all.push_back(out.sum.detach());
        all.push_back(out.norm.detach());
        return all;
      };
      const auto together = gradients(rms ? add_rms_norm(in[0], in[1], in[2], 1e-6)
                                          : add_layer_norm(in[0], in[1], in[2], in[3], 1e-5));
      const at::Tensor sum = in[0] + in[1];
      const auto in_turn =
          gradients({sum, rms ? rms_norm(sum, in[2], 1e-6) : layer_norm(sum, in[2], in[3], 1e-5)});
      for (std::size_t i = 0; i < together.size(); ++i)
        EXPECT_TRUE(at::equal(together[i], in_turn[i])) << "result " << i;
    }
  EXPECT_THROW(add_rms_norm(at::ones({2, 4}), at::ones({4}), at::ones({4}), 1e-5), Error);
}

// Two sums, of which the second cancels all but a hundredth of the first, and their norm: against fp64.
TEST(Norms, WithTwoPartsKeepWhatARoundedSumLoses) {
  at::manual_seed(4);
  const std::int64_t columns = 1500;  // longer than a block
  for (const bool rms : {false, true}) {
    SCOPED_TRACE(rms ? "rms" : "layer");
    const at::Tensor x = leaf({3, 67, columns}, at::kBFloat16), one = leaf({3, 67, columns}, at::kBFloat16),
                     w = leaf({columns}, at::kBFloat16), b = leaf({columns}, at::kBFloat16),
                     d_sum = at::randn(x.sizes()).to(at::kBFloat16),
                     dy = at::randn(x.sizes()).to(at::kBFloat16);
    const at::Tensor two =
        (at::randn(x.sizes()) * 0.01 - (x + one)).detach().to(at::kBFloat16).requires_grad_();
    std::vector<at::Tensor> in = {x, one, two, w}, exact;
    if (!rms) in.push_back(b);
    for (const at::Tensor& t : in) exact.push_back(t.detach().to(at::kDouble).requires_grad_());
    const at::Tensor value = exact[0] + exact[1] + exact[2];
    const at::Tensor normed = rms ? at::rms_norm(value, {columns}, exact[3], 1e-6)
                                  : at::layer_norm(value, {columns}, exact[3], exact[4], 1e-5);
    const auto expected =
        torch::autograd::grad({value, normed}, exact, {d_sum.to(at::kDouble), dy.to(at::kDouble)});
    const auto add = [&](const at::Tensor& high, const at::Tensor& low, const at::Tensor& added) {
      return rms ? split_add_rms_norm(high, low, added, w, 1e-6)
                 : split_add_layer_norm(high, low, added, w, b, 1e-5);
    };
    const SplitAddNorm first = add(x, {}, one), second = add(first.sum, first.low, two);
    EXPECT_FALSE(second.low.requires_grad());
    EXPECT_LE(relative_error(second.sum.to(at::kDouble) + second.low.to(at::kDouble), value), 1e-2);
    EXPECT_LE(relative_error(second.norm, normed), 2e-2);
    const auto found = torch::autograd::grad({second.sum, second.norm}, in, {d_sum, dy});
    for (std::size_t i = 0; i < in.size(); ++i)
      EXPECT_LE((found[i].to(at::kDouble) - expected[i]).norm().item<double>(),
                1e-2 * expected[i].norm().item<double>())
          << "gradient " << i;
    // With one part, the error of the cancelled rows is of the size of the rows.
    const at::Tensor rounded = x + one;
    const AddNorm alone =
        rms ? add_rms_norm(rounded, two, w, 1e-6) : add_layer_norm(rounded, two, w, b, 1e-5);
    EXPECT_GT((alone.norm.to(at::kDouble) - normed).norm().item<double>(),
              0.05 * normed.norm().item<double>());
  }
  EXPECT_THROW(split_add_rms_norm(at::ones({2, 4}), at::ones({4}), at::ones({2, 4}), at::ones({4}), 1e-5),
               Error);
}

TEST(Norms, RefuseWeightsOfAnotherLength) {
  EXPECT_THROW(layer_norm(at::ones({2, 4}), at::ones({3}), at::ones({4}), 1e-5), Error);
  EXPECT_THROW(layer_norm(at::ones({2, 4}), at::ones({4}), at::ones({4}, at::kHalf), 1e-5), Error);
  EXPECT_THROW(rms_norm(at::ones({2, 4}), at::ones({5}), 1e-5), Error);
}

TEST(Norms, GiveTheSameBitsOnOneAndTwoThreads) {
  const auto x = leaf({700, 96}, at::kHalf), w = leaf({96}, at::kHalf), b = leaf({96}, at::kHalf);
  std::vector<at::Tensor> results;
  const int before = at::get_num_threads();
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    const auto y = layer_norm(x, w, b, 1e-5);
    const auto grads = torch::autograd::grad({y}, {x, w, b}, {at::ones_like(y)});
    results.push_back(at::cat({y.flatten(), grads[0].flatten(), grads[1], grads[2]}).detach());
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(bits(results[0]), bits(results[1])));
}

TEST(SwiGlu, AgreesWithTheFramework) {
  at::manual_seed(3);
  for (const auto dtype : kDtypes)
    expect_alike(
        {leaf({5, 333}, dtype, 3), leaf({5, 333}, dtype)}, [](const auto& t) { return swiglu(t[0], t[1]); },
        [](const auto& t) { return at::silu(t[0]) * t[1]; });
}

TEST(Embedding, GivesTheRowsAndSumsTheirGradientsInFp32) {
  const auto table = leaf({6, 33}, at::kHalf);
  const at::Tensor tokens = at::tensor({4, 0, 4, 5, 4, 0}, at::kInt).view({2, 3});
  const at::Tensor y = embed(tokens, table);
  EXPECT_EQ(y.sizes(), (std::vector<std::int64_t>{2, 3, 33}));
  EXPECT_TRUE(at::equal(y.view({6, 33}), table.index_select(0, tokens.flatten().to(at::kLong))));
  // 2048 + 1 + 1: in fp16 the ones would be lost one by one.
  const at::Tensor dy = at::ones({2, 3, 33}, at::kHalf);
  dy[0][0].fill_(2048);
  y.backward(dy);
  EXPECT_TRUE(table.grad()[4].eq(2050).all().item<bool>());
  EXPECT_TRUE(table.grad()[0].eq(2).all().item<bool>());
  EXPECT_TRUE(table.grad()[5].eq(1).all().item<bool>());
  EXPECT_TRUE(table.grad().slice(0, 1, 4).eq(0).all().item<bool>());
}

TEST(Embedding, RefusesATokenOutsideTheTable) {
  EXPECT_THROW(embed(at::tensor({1, 6}, at::kLong), at::ones({6, 2})), Error);
  EXPECT_THROW(embed(at::tensor({-1}, at::kLong), at::ones({6, 2})), Error);
}

}  // namespace
}  // namespace ebb::numerics
