// SPDX-License-Identifier: Apache-2.0
// Compares the reduction of CPU tensors with ATen.
#include "comm/combine.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <vector>

namespace ebb::comm {
namespace {

at::Tensor combined(ReduceOp op, const std::vector<at::Tensor>& tensors) {
  std::vector<const std::byte*> sources;
  for (const at::Tensor& t : tensors) sources.push_back(static_cast<const std::byte*>(t.data_ptr()));
  at::Tensor target = at::empty_like(tensors[0]);
  combine(target.scalar_type(), op, sources, static_cast<std::byte*>(target.data_ptr()),
          static_cast<std::size_t>(target.numel()));
  return target;
}

// All 16-bit numbers except NaN, whose payload is unspecified.
at::Tensor all_numbers(at::ScalarType dtype) {
  const at::Tensor bits = at::arange(-32768, 32768, at::kInt).to(at::kShort);
  const at::Tensor numbers = bits.view(dtype);
  return numbers.masked_select(numbers.isnan().logical_not());
}

TEST(RankSum, OneSourceIsReturnedUnchanged) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor numbers = all_numbers(dtype);
    const at::Tensor sum = combined(ReduceOp::sum, {numbers});
    EXPECT_EQ(std::memcmp(sum.data_ptr(), numbers.data_ptr(), numbers.nbytes()), 0);
  }
}

TEST(RankSum, SixteenBitSumsAreRoundedOnceFromFp32) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16}) {
    const at::Tensor a = all_numbers(dtype), b = a.flip(0).roll(12345).contiguous(),
                     c = a.roll(777).contiguous();
    const at::Tensor expected = (a.to(at::kFloat) + b.to(at::kFloat) + c.to(at::kFloat)).to(dtype);
    EXPECT_TRUE(at::allclose(combined(ReduceOp::sum, {a, b, c}), expected, 0, 0, /*equal_nan=*/true));
  }
}

// Vector code processes 8 or 16 elements at a time and a remainder.
TEST(RankSum, EveryCountUpToSeveralVectorsIsCorrect) {
  for (std::int64_t count = 0; count < 70; ++count) {
    const at::Tensor a = at::randn({count}).to(at::kHalf), b = at::randn({count}).to(at::kHalf);
    EXPECT_TRUE(
        at::equal(combined(ReduceOp::sum, {a, b}), (a.to(at::kFloat) + b.to(at::kFloat)).to(at::kHalf)))
        << count;
  }
}

TEST(RankSum, WritesNothingBeyondTheEnd) {
  for (const std::int64_t count : {1, 7, 15, 17, 1023, 1025}) {
    const at::Tensor source = at::ones({count}, at::kHalf), target = at::zeros({count + 16}, at::kHalf);
    const std::byte* const sources[] = {static_cast<const std::byte*>(source.data_ptr())};
    combine(at::kHalf, ReduceOp::sum, sources, static_cast<std::byte*>(target.data_ptr()),
            static_cast<std::size_t>(count));
    EXPECT_EQ(target.sum().item<float>(), static_cast<float>(count));
  }
}

TEST(RankSum, TheTargetMayBeASource) {
  const at::Tensor a = at::randn({5000}), b = at::randn({5000}), expected = a + b;
  const std::byte* const sources[] = {static_cast<const std::byte*>(a.data_ptr()),
                                      static_cast<const std::byte*>(b.data_ptr())};
  combine(at::kFloat, ReduceOp::sum, sources, static_cast<std::byte*>(b.data_ptr()), 5000);
  EXPECT_TRUE(at::equal(b, expected));
}

TEST(RankSum, IntegersWrap) {
  const at::Tensor max = at::full({3}, std::numeric_limits<std::int64_t>::max(), at::kLong);
  EXPECT_TRUE(combined(ReduceOp::sum, {max, at::ones({3}, at::kLong)})
                  .eq(std::numeric_limits<std::int64_t>::min())
                  .all()
                  .item<bool>());
  EXPECT_EQ(
      combined(ReduceOp::sum, {at::full({3}, 200, at::kByte), at::full({3}, 100, at::kByte)})[2].item<int>(),
      44);
}

TEST(RankSum, NanPropagatesFromAnySourceInEveryOperation) {
  for (const at::ScalarType dtype : {at::kHalf, at::kBFloat16, at::kFloat, at::kDouble}) {
    const at::Tensor number = at::ones({40}, dtype);
    const at::Tensor nan = at::full({40}, std::numeric_limits<double>::quiet_NaN(), dtype);
    for (const ReduceOp op : {ReduceOp::sum, ReduceOp::max, ReduceOp::min}) {
      EXPECT_TRUE(combined(op, {number, nan, number}).isnan().all().item<bool>()) << c10::toString(dtype);
      EXPECT_TRUE(combined(op, {nan, number, number}).isnan().all().item<bool>()) << c10::toString(dtype);
      EXPECT_TRUE(combined(op, {number, number, nan}).isnan().all().item<bool>()) << c10::toString(dtype);
    }
  }
}

}  // namespace
}  // namespace ebb::comm
