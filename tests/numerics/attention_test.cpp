// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "base/error.h"
#include "numerics/close.h"
#include "numerics/ops.h"

namespace ebb::numerics {
namespace {

struct Case {
  at::ScalarType dtype;
  std::int64_t batch, length;
  AttentionHeads heads;
  std::int64_t width;
  bool rope;
};

at::Tensor rotated(const at::Tensor& x, const at::Tensor& rope) {  // [B, H, T, D]
  const auto half = x.chunk(2, -1);
  return at::cat({half[0] * rope[0] - half[1] * rope[1], half[1] * rope[0] + half[0] * rope[1]}, -1);
}

// The reference with the whole matrix of scores, in fp32.
at::Tensor reference(const at::Tensor& qkv, AttentionHeads heads, const at::Tensor& rope) {
  const std::int64_t b = qkv.size(0), t = qkv.size(1);
  const auto parts = qkv.view({b, t, heads.query + 2 * heads.key, -1})
                         .transpose(1, 2)
                         .split({heads.query, heads.key, heads.key}, 1);
  at::Tensor q = parts[0], k = parts[1];
  if (rope.defined()) q = rotated(q, rope), k = rotated(k, rope);
  k = k.repeat_interleave(heads.query / heads.key, 1);
  const at::Tensor v = parts[2].repeat_interleave(heads.query / heads.key, 1);
  const at::Tensor scores = q.matmul(k.transpose(2, 3)) / std::sqrt(static_cast<double>(q.size(3)));
  const at::Tensor mask = at::ones({t, t}, at::kBool).tril().logical_not();
  return scores.masked_fill(mask, -INFINITY).softmax(-1).matmul(v).transpose(1, 2).reshape({b, t, -1});
}

void expect_as_reference(const Case& c) {
  at::manual_seed(5);
  const std::int64_t row = (c.heads.query + 2 * c.heads.key) * c.width;
  const at::Tensor qkv = at::randn({c.batch, c.length, row}).to(c.dtype).requires_grad_();
  const at::Tensor twin = qkv.detach().to(at::kDouble).requires_grad_();
  const at::Tensor rope = c.rope ? rope_table(c.length, c.width, 10000) : at::Tensor();
  const at::Tensor y = attention(qkv, c.heads, rope), yr = reference(twin, c.heads, rope);
  ASSERT_EQ(y.scalar_type(), c.dtype);
  ASSERT_EQ(y.sizes(), yr.sizes());
  // Where bf16 products are faster, rotated queries and keys are rounded once more.
  EXPECT_LE(relative_error(y, yr), (c.rope ? 2 : 1) * rounding(c.dtype));
  const at::Tensor dy = at::randn(y.sizes()).to(c.dtype);
  y.backward(dy);
  yr.backward(dy.to(at::kDouble));
  // The dot product of output and gradient uses the stored output, as backward does.
  EXPECT_LE(relative_error(qkv.grad(), twin.grad()), 4 * rounding(c.dtype));
}

TEST(Attention, AgreesWithTheWholeMatrixOfScores) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
    for (const bool rope : {false, true})
      for (const std::int64_t length :
           {1, 5, 64, 150}) {  // the last has three blocks, the third a partial one
        SCOPED_TRACE(testing::Message() << c10::toString(dtype) << " rope " << rope << " length " << length);
        expect_as_reference({dtype, 2, length, {3, 3}, 16, rope});
        expect_as_reference({dtype, 1, length, {6, 2}, 8, rope});
        expect_as_reference({dtype, 1, length, {4, 1}, 34, rope});
      }
}

TEST(Attention, ALaterTokenChangesNoEarlierResult) {
  const at::Tensor qkv = at::randn({1, 100, 3 * 32});
  const at::Tensor before = attention(qkv, {2, 2});
  qkv.narrow(1, 70, 30).fill_(9);
  const at::Tensor after = attention(qkv, {2, 2});
  EXPECT_TRUE(at::equal(before.narrow(1, 0, 70), after.narrow(1, 0, 70)));
  EXPECT_FALSE(at::equal(before.narrow(1, 70, 30), after.narrow(1, 70, 30)));
}

struct Document {
  std::int64_t sequence, first, tokens;
};

// A document in a window has the same result as alone.
TEST(Attention, StaysWithinDocuments) {
  const at::Tensor tokens = at::full({2, 150}, 7, at::kLong);
  tokens[0][0] = 3;
  tokens[0][90] = 3;
  tokens[0][91] = 3;
  const Documents documents = documents_of(tokens, 3, at::kCPU);
  const at::Tensor starts = documents.starts;
  EXPECT_EQ(documents.longest, 150);
  EXPECT_EQ(starts[0][89].item<std::int64_t>(), 0);
  EXPECT_EQ(starts[0][90].item<std::int64_t>(), 90);
  EXPECT_EQ(starts[0][149].item<std::int64_t>(), 91);
  EXPECT_EQ(starts[1][149].item<std::int64_t>(), 0);
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    SCOPED_TRACE(c10::toString(dtype));
    at::manual_seed(6);
    const at::Tensor qkv = at::randn({2, 150, 8 * 16}).to(dtype).requires_grad_();
    const at::Tensor dy = at::randn({2, 150, 4 * 16}).to(dtype);
    const at::Tensor y = attention(qkv, {4, 2}, {}, documents);
    const at::Tensor gradient = torch::autograd::grad({y}, {qkv}, {dy})[0];
    for (const Document& d : {Document{0, 0, 90}, {0, 90, 1}, {0, 91, 59}, {1, 0, 150}}) {
      const auto part = [&](const at::Tensor& t) {
        return t.narrow(0, d.sequence, 1).narrow(1, d.first, d.tokens).contiguous();
      };
      const at::Tensor alone = part(qkv.detach()).requires_grad_();
      const at::Tensor expected = attention(alone, {4, 2});
      EXPECT_LE(relative_error(part(y), expected), 2 * rounding(dtype));
      EXPECT_LE(relative_error(part(gradient), torch::autograd::grad({expected}, {alone}, {part(dy)})[0]),
                4 * rounding(dtype));
    }
  }
  EXPECT_THROW(attention(at::ones({2, 150, 48}), {1, 1}, {}, {starts.narrow(1, 0, 90), {}, 0}), Error);
  EXPECT_THROW(attention(at::ones({1, 2, 48}), {1, 1}, {}, {at::ones({1, 2}, at::kLong), {}, 1}), Error);
}

TEST(Attention, LargeScoresDoNotOverflow) {
  const at::Tensor y = attention(at::full({1, 70, 3 * 16}, 100.0), {1, 1});
  EXPECT_LE(relative_error(y, at::full_like(y, 100.0)), 1e-5);
}

TEST(Attention, GivesTheSameBitsOnOneAndTwoThreads) {
  const at::Tensor qkv = at::randn({2, 130, 8 * 16}).to(at::kHalf).requires_grad_();
  std::vector<at::Tensor> results;
  const int threads_before = at::get_num_threads();
  for (const int threads : {1, 2}) {
    at::set_num_threads(threads);
    const at::Tensor y = attention(qkv, {4, 2}, rope_table(130, 16, 10000));
    const auto grads = torch::autograd::grad({y}, {qkv}, {at::ones_like(y)});
    results.push_back(at::cat({y.flatten(), grads[0].flatten()}).detach());
  }
  at::set_num_threads(threads_before);
  EXPECT_TRUE(at::equal(bits(results[0]), bits(results[1])));
}

TEST(Attention, RefusesSizesThatGiveNoHeads) {
  EXPECT_THROW(attention(at::ones({1, 4, 25}), {4, 2}), Error);
  EXPECT_THROW(attention(at::ones({1, 4, 24}), {3, 2}), Error);
  EXPECT_THROW(attention(at::ones({1, 4, 3 * 300}), {1, 1}), Error);
  EXPECT_THROW(attention(at::ones({1, 4, 24}), {4, 2}, rope_table(5, 3, 10000)), Error);
}

TEST(RopeTable, RotatesPairsByTheirPosition) {
  const at::Tensor table = rope_table(3, 4, 100);
  EXPECT_EQ(table.sizes(), (std::vector<std::int64_t>{2, 3, 2}));
  EXPECT_FLOAT_EQ(table[0][2][0].item<float>(), std::cos(2.0F));
  EXPECT_FLOAT_EQ(table[1][2][1].item<float>(), std::sin(0.2F));
  EXPECT_EQ(table[0][0][1].item<float>(), 1.0F);
}

}  // namespace
}  // namespace ebb::numerics
