// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "numerics/cpu/panels.h"
#include "numerics/precision.h"

namespace ebb::numerics::cpu {
namespace {

struct Case {
  std::int64_t m, n, k;
  at::ScalarType left, right;
  bool left_transposed, right_transposed;
};

// Small whole numbers: every product and sum is exact in bf16 and fp32, in any order.
at::Tensor whole_numbers(std::int64_t rows, std::int64_t columns, at::ScalarType dtype) {
  return at::randint(-4, 5, {rows, columns}).to(dtype);
}

Operand operand(const at::Tensor& t, bool transposed) {
  return {dtype_of(t), t.const_data_ptr(), t.size(0), t.size(1), transposed, t.stride(0)};
}

using Method = bool (*)(const Operand&, const Operand&, const Result&, std::int64_t, std::int64_t,
                        std::int64_t);

// Multiplies in a scratch followed by a guard, which must stay unwritten.
bool in_scratch(decltype(&packed_product) multiply, const Operand& a, const Operand& b, const Result& result,
                std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t floats, bool in_parallel,
                std::int64_t workspace_bytes = kWorkspaceBytes) {
  constexpr std::int64_t kGuard = 64;
  const at::Tensor space = at::full({floats + kGuard}, 0.5, at::kFloat);
  const bool done =
      multiply(a, b, result, m, n, k, {space.data_ptr<float>(), floats, in_parallel, workspace_bytes});
  EXPECT_TRUE(space.narrow(0, floats, kGuard).eq(0.5).all().item<bool>()) << "wrote beyond its scratch";
  return done;
}
template <std::int64_t kBytes = kWorkspaceBytes>
bool by_panels(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
               std::int64_t k) {
  return in_scratch(packed_product, a, b, result, m, n, k, packed_workspace(m, n, k, false, kBytes), false,
                    kBytes);
}
bool by_panels_on_one_thread(const Operand& a, const Operand& b, const Result& result, std::int64_t m,
                             std::int64_t n, std::int64_t k) {
  return in_scratch(packed_product, a, b, result, m, n, k, packed_workspace(m, n, k, true), true);
}
// In less scratch than the unlimited plan needs, such as that of another size.
bool by_panels_in_little_scratch(const Operand& a, const Operand& b, const Result& result, std::int64_t m,
                                 std::int64_t n, std::int64_t k) {
  return in_scratch(packed_product, a, b, result, m, n, k, at::get_num_threads() * kMinScratch, false);
}
template <std::int64_t kBytes = kWorkspaceBytes>
bool by_blas(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k) {
  const auto blas = [](const Operand& l, const Operand& r, const Result& out, std::int64_t rows,
                       std::int64_t columns, std::int64_t inner, const Scratch& scratch) {
    blas_product(l, r, out, rows, columns, inner, scratch);
    return true;
  };
  return in_scratch(blas, a, b, result, m, n, k, blas_workspace(m, n, k, kBytes), false, kBytes);
}
bool by_rows(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k) {
  row_product(a, b, result, m, n, k);
  return true;
}

// Once into the operands' dtype with a bias, once added to the fp32 result.
void expect_exact(const Case& c, Method multiply, bool may_round = false) {
  SCOPED_TRACE(testing::Message() << c.m << " x " << c.n << " x " << c.k << ", " << c10::toString(c.left)
                                  << (c.left_transposed ? "^T " : " ") << c10::toString(c.right)
                                  << (c.right_transposed ? "^T" : ""));
  // Each operand is some columns of a wider matrix.
  const auto stored = [&](bool transposed, std::int64_t rows, std::int64_t columns, at::ScalarType dtype) {
    if (transposed) std::swap(rows, columns);
    return whole_numbers(rows, columns + 5, dtype).narrow(1, 2, columns);
  };
  const at::Tensor a = stored(c.left_transposed, c.m, c.k, c.left),
                   b = stored(c.right_transposed, c.k, c.n, c.right);
  Operand left = operand(a, c.left_transposed), right = operand(b, c.right_transposed);
  left.may_round = right.may_round = may_round;
  const at::Tensor ar = a.to(at::kDouble);
  const at::Tensor expected =
      at::mm(c.left_transposed ? ar.t() : ar, c.right_transposed ? b.t().to(at::kDouble) : b.to(at::kDouble));
  const at::Tensor bias = at::arange(c.n, at::kFloat), sums = at::full({c.m, c.n}, 3.0, at::kFloat);
  at::Tensor out = at::empty({c.m, c.n}, c.right), pre_activation = at::empty({c.m, c.n}, c.right);
  ASSERT_TRUE(multiply(left, right,
                       {dtype_of(out), out.mutable_data_ptr(), bias.const_data_ptr<float>(), Activation::relu,
                        pre_activation.mutable_data_ptr()},
                       c.m, c.n, c.k));
  EXPECT_TRUE(at::equal(pre_activation, (expected + bias).to(c.right)));
  EXPECT_TRUE(at::equal(out, at::relu(expected + bias).to(c.right)));
  Result added{Dtype::fp32, sums.mutable_data_ptr()};
  added.accumulate = true;
  ASSERT_TRUE(multiply(left, right, added, c.m, c.n, c.k));
  EXPECT_TRUE(at::equal(sums, (expected + 3).to(at::kFloat)));
}

void expect_exact_in_all_shapes(Method multiply) {
  at::manual_seed(5);
  for (const auto& [left, right] : {std::pair{at::kFloat, at::kFloat},
                                    {at::kHalf, at::kHalf},
                                    {at::kBFloat16, at::kBFloat16},
                                    {at::kFloat, at::kBFloat16}})
    for (const bool left_transposed : {false, true})
      for (const bool right_transposed : {false, true})
        for (const auto& [m, n, k] : {std::array<std::int64_t, 3>{1, 1, 1},
                                      {3, 33, 7},
                                      {15, 64, 130},
                                      {130, 70, 33},
                                      {29, 600, 1501}})
          expect_exact({m, n, k, left, right, left_transposed, right_transposed}, multiply, left != right);
}

TEST(Product, OfPanelsIsExactInEveryDtypeShapeAndLayout) {
  if (avx512_panels(Dtype::fp32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  expect_exact_in_all_shapes(by_panels<>);
  expect_exact_in_all_shapes(by_panels_on_one_thread);
  expect_exact_in_all_shapes(by_panels_in_little_scratch);
  at::set_num_threads(before);
}

// Cut along the inner dimension though the scratch would hold it, with an odd end, and finished in several
// pieces.
TEST(Product, OfPanelsIsExactWithALongInnerDimension) {
  if (avx512_panels(Dtype::fp32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  at::manual_seed(5);
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
    for (const std::int64_t k : {2053, 4099})
      expect_exact({29, 800, k, dtype, dtype, false, false}, by_panels<>);
}

TEST(Product, OfBlasIsExactInEveryDtypeShapeAndLayout) {
  expect_exact_in_all_shapes(by_blas<>);
}

TEST(Product, OfFewRowsIsExact) {
  at::manual_seed(5);
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
    for (const std::int64_t m : {1, 3, 4})
      for (const std::int64_t k : {1, 511, 1030})
        expect_exact({m, 300, k, dtype, dtype, false, true}, by_rows);
}

TEST(Product, IsExactInManyBlocks) {
  expect_exact_in_all_shapes(by_blas<16384>);
  if (avx512_panels(Dtype::fp32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  expect_exact_in_all_shapes(by_panels<16384>);
}

// In a build without OpenMP, at::parallel_for would silently run on one thread.
TEST(Product, RunsOnAllThreads) {
#if defined(EBB_SANITIZED)
  GTEST_SKIP() << "sanitizers do not support OpenMP, and these builds have none";
#endif
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  std::array<std::thread::id, 2> threads;
  at::parallel_for(0, 2, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i)
      threads[static_cast<std::size_t>(i)] = std::this_thread::get_id();
  });
  at::set_num_threads(before);
  EXPECT_NE(threads[0], threads[1]);
}

// Each sum is one chain, so the bits do not depend on the blocks.
TEST(Product, OfPanelsHasTheSameBitsForAnyBlocks) {
  if (avx512_panels(Dtype::fp32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::manual_seed(6);
    const std::int64_t m = 61, n = 77, k = 4103;
    const at::Tensor a = at::randn({m, k}).to(dtype), b = at::randn({k, n}).to(dtype);
    const auto product_by = [&](Method multiply) {
      at::Tensor out = at::empty({m, n}, at::kFloat);
      multiply(operand(a, false), operand(b, false), {Dtype::fp32, out.mutable_data_ptr()}, m, n, k);
      return out;
    };
    EXPECT_TRUE(at::equal(product_by(by_panels<>), product_by(by_panels<8192>))) << c10::toString(dtype);
  }
}

// The two products of a linear layer's backward: each thread takes parts of both.
TEST(Product, GroupedHasTheBitsOfEachAlone) {
  if (avx512_panels(Dtype::fp32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  const int before = at::get_num_threads();
  at::set_num_threads(3);
  at::manual_seed(7);
  constexpr std::int64_t kBatch = 131, kIn = 45, kOut = 10, kGuard = 64;
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    const at::Tensor dy = at::randn({kBatch, kOut}).to(dtype), x = at::randn({kBatch, kIn}).to(dtype),
                     w = at::randn({kOut, kIn}).to(dtype);
    const auto both = [&](const at::Tensor& dx, const at::Tensor& dw) {
      return std::array<Product, 2>{Product{operand(dy, false),
                                            operand(w, false),
                                            {dtype_of(dx), dx.mutable_data_ptr()},
                                            kBatch,
                                            kIn,
                                            kOut},
                                    Product{operand(dy, true),
                                            operand(x, false),
                                            {dtype_of(dw), dw.mutable_data_ptr()},
                                            kOut,
                                            kIn,
                                            kBatch}};
    };
    const at::Tensor dx = at::empty_like(x), dw = at::empty_like(w);
    for (const Product& p : both(dx, dw)) ASSERT_TRUE(by_panels<>(p.a, p.b, p.result, p.m, p.n, p.k));
    const at::Tensor dx_too = at::empty_like(x), dw_too = at::empty_like(w);
    const auto together = both(dx_too, dw_too);
    const std::int64_t floats = grouped_workspace(together);
    ASSERT_GT(floats, 0);
    const at::Tensor space = at::full({floats + kGuard}, 0.5, at::kFloat);
    grouped_products(together, space.data_ptr<float>());
    EXPECT_TRUE(space.narrow(0, floats, kGuard).eq(0.5).all().item<bool>()) << "wrote beyond its scratch";
    EXPECT_TRUE(at::equal(dx, dx_too)) << c10::toString(dtype);
    EXPECT_TRUE(at::equal(dw, dw_too)) << c10::toString(dtype);
  }
  at::set_num_threads(before);
}

TEST(Product, GroupedTakesOnlySmallProductsOnSeveralThreads) {
  if (avx512_panels(Dtype::fp32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  const int before = at::get_num_threads();
  const auto scratch = [](std::int64_t m, std::int64_t n, std::int64_t k) {
    return grouped_workspace(std::array{Product{{}, {}, {}, m, n, k}, Product{{}, {}, {}, 8, 8, 8}});
  };
  at::set_num_threads(2);
  EXPECT_GT(scratch(100, 100, 100), 0);
  EXPECT_EQ(scratch(100, 100, 0), 0);
  EXPECT_EQ(scratch(0, 100, 100), 0);
  EXPECT_EQ(scratch(2048, 4096, 4096), 0);
  at::set_num_threads(1);
  EXPECT_EQ(scratch(100, 100, 100), 0);
  at::set_num_threads(before);
}

}  // namespace
}  // namespace ebb::numerics::cpu
