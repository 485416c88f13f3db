// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include "base/error.h"
#include "memory/cpu_allocator.h"
#include "memory/ledger.h"
#include "numerics/close.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

struct Case {
  at::ScalarType dtype;
  std::int64_t rows, width, vocabulary;
};

void expect_as_framework(const Case& c) {
  SCOPED_TRACE(testing::Message() << c10::toString(c.dtype) << " " << c.rows << " x " << c.width << " of "
                                  << c.vocabulary);
  at::manual_seed(7);
  const at::Tensor h = at::randn({c.rows, c.width}).to(c.dtype).requires_grad_();
  const at::Tensor w = (at::randn({c.vocabulary, c.width}) * 0.3).to(c.dtype).requires_grad_();
  const at::Tensor hr = h.detach().to(at::kDouble).requires_grad_(),
                   wr = w.detach().to(at::kDouble).requires_grad_();
  const at::Tensor targets = at::randint(0, c.vocabulary, {c.rows});
  for (std::int64_t i = 3; i < c.rows; i += 5) targets[i] = kIgnoreIndex;
  const at::Tensor loss = head_cross_entropy(h, w, targets);
  const at::Tensor reference =
      at::cross_entropy_loss(at::linear(hr, wr), targets, {}, at::Reduction::Sum, kIgnoreIndex);
  ASSERT_EQ(loss.scalar_type(), at::kFloat);
  EXPECT_LE(relative_error(loss, reference), 1e-6);
  (loss * 0.25).backward();
  (reference * 0.25).backward();
  EXPECT_LE(relative_error(h.grad(), hr.grad()), 2 * rounding(c.dtype));
  EXPECT_LE(relative_error(w.grad(), wr.grad()), 2 * rounding(c.dtype));
}

TEST(HeadCrossEntropy, AgreesWithTheFramework) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    expect_as_framework({dtype, 1, 3, 2});
    expect_as_framework({dtype, 40, 24, 96});
    expect_as_framework(
        {dtype, 300, 16, 1300});  // two blocks of rows, three of the vocabulary, the last a partial one
  }
}

TEST(HeadCrossEntropy, TheZLossAgreesWithTheFramework) {
  at::manual_seed(8);
  const at::Tensor h = at::randn({40, 24}).requires_grad_(), w = at::randn({600, 24}).requires_grad_();
  const at::Tensor hr = h.detach().clone().requires_grad_(), wr = w.detach().clone().requires_grad_();
  const at::Tensor targets = at::randint(0, 600, {40});
  targets[7] = kIgnoreIndex;
  const at::Tensor logits = at::linear(hr, wr);
  const at::Tensor reference = at::cross_entropy_loss(logits, targets, {}, at::Reduction::Sum, kIgnoreIndex) +
                               0.01 * (logits.logsumexp(1).square() * targets.ne(kIgnoreIndex)).sum();
  const at::Tensor loss = head_cross_entropy(h, w, targets, 0.01);
  EXPECT_LE(relative_error(loss, reference), 1e-6);
  (loss * 0.25).backward();
  (reference * 0.25).backward();
  EXPECT_LE(relative_error(h.grad(), hr.grad()), 1e-5);
  EXPECT_LE(relative_error(w.grad(), wr.grad()), 1e-5);
}

TEST(HeadCrossEntropy, RowsThatAreIgnoredCountNothing) {
  const at::Tensor h = at::randn({4, 8}).requires_grad_(), w = at::randn({5, 8}).requires_grad_();
  const at::Tensor loss = head_cross_entropy(h, w, at::full({4}, kIgnoreIndex, at::kLong));
  EXPECT_EQ(loss.item<float>(), 0.0F);
  loss.backward();
  EXPECT_TRUE(h.grad().eq(0).all().item<bool>());
  EXPECT_TRUE(w.grad().eq(0).all().item<bool>());
}

TEST(HeadCrossEntropy, LargeLogitsDoNotOverflow) {
  const at::Tensor h = at::full({2, 4}, 100.0),
                   w = at::cat({at::full({1, 4}, 10.0), at::full({600, 4}, -10.0)});
  EXPECT_EQ(head_cross_entropy(h, w, at::tensor({0, 0}, at::kLong)).item<float>(), 0.0F);
  EXPECT_EQ(head_cross_entropy(h, w, at::tensor({0, 600}, at::kLong)).item<float>(), 8000.0F);
}

TEST(HeadCrossEntropy, RefusesATargetOutsideTheVocabulary) {
  EXPECT_THROW(head_cross_entropy(at::ones({1, 2}), at::ones({3, 2}), at::tensor({3}, at::kLong)), Error);
  EXPECT_THROW(head_cross_entropy(at::ones({1, 2}), at::ones({3, 2}), at::tensor({-1}, at::kLong)), Error);
}

TEST(HeadCrossEntropy, GivesTheSameBitsOnOneAndTwoThreads) {
  const at::Tensor h = at::randn({300, 32}).to(at::kHalf).requires_grad_();
  const at::Tensor w = at::randn({700, 32}).to(at::kHalf).requires_grad_();
  const at::Tensor targets = at::randint(0, 700, {300});
  std::vector<at::Tensor> results;
  const int before = at::get_num_threads();
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    const auto grads = torch::autograd::grad({head_cross_entropy(h, w, targets)}, {h, w});
    results.push_back(at::cat({grads[0].flatten(), grads[1].flatten()}).detach());
  }
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(bits(results[0]), bits(results[1])));
}

// 2000 rows of 30000 logits would be 240 MB in fp32.
TEST(HeadCrossEntropy, NeverHoldsTheLogits) {
  auto& ledger = *new memory::Ledger;  // outlives every tensor
  memory::install(ledger);
  const at::Tensor h = at::randn({2000, 8}).to(at::kHalf).requires_grad_();
  const at::Tensor w = at::randn({30000, 8}).to(at::kHalf).requires_grad_();
  const at::Tensor targets = at::randint(0, 30000, {2000});
  ledger.reset_peaks();
  const std::int64_t before = ledger.live_total(memory::Ledger::Location::host);
  head_cross_entropy(h, w, targets).backward();
  EXPECT_LT(ledger.peak_total(memory::Ledger::Location::host) - before, std::int64_t{3} << 20);
}

}  // namespace
}  // namespace ebb::numerics
