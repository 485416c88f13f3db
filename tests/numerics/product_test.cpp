#include "numerics/cpu/product.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <array>
#include <thread>

#include "numerics/cpu/panels.h"
#include "numerics/cpu/workspace.h"
#include "numerics/small_workspace.h"

namespace ebb::numerics::cpu {
namespace {

struct Case {
  std::int64_t m, n, k;
  at::ScalarType left, right;
  bool left_transposed, right_transposed;
};

// Small whole numbers: every product and every sum is exact in bf16 and fp32, whatever their order.
at::Tensor whole_numbers(std::int64_t rows, std::int64_t columns, at::ScalarType dtype) {
  return at::randint(-4, 5, {rows, columns}).to(dtype);
}

Operand operand(const at::Tensor& t, bool transposed) {
  return {kind_of(t), t.const_data_ptr(), t.size(0), t.size(1), transposed, t.stride(0)};
}

using Way = bool (*)(const Operand&, const Operand&, const Result&, std::int64_t, std::int64_t, std::int64_t,
                     float*);

bool by_panels(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
               std::int64_t k, float* workspace) {
  return packed_product(a, b, result, m, n, k, workspace);
}
// As one thread of a parallel region calls it: in the room for one, whatever threads there are.
bool by_panels_on_one_thread(const Operand& a, const Operand& b, const Result& result, std::int64_t m,
                             std::int64_t n, std::int64_t k, float*) {
  constexpr std::int64_t kGuard = 64;
  const std::int64_t floats = packed_workspace(m, n, k, true);
  const at::Tensor space = at::full({floats + kGuard}, 0.5, at::kFloat);
  const bool done = packed_product(a, b, result, m, n, k, space.data_ptr<float>(), true);
  EXPECT_TRUE(space.narrow(0, floats, kGuard).eq(0.5).all().item<bool>()) << "wrote beyond its room";
  return done;
}

bool by_blas(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k, float* workspace) {
  blas_product(a, b, result, m, n, k, workspace);
  return true;
}

// Once into the operands' dtype with a bias, once added to what is there, in fp32.
void expect_exact(const Case& c, Way way, bool may_round = false) {
  SCOPED_TRACE(testing::Message() << c.m << " x " << c.n << " x " << c.k << ", " << c10::toString(c.left)
                                  << (c.left_transposed ? "^T " : " ") << c10::toString(c.right)
                                  << (c.right_transposed ? "^T" : ""));
  // Each is some columns of a wider matrix.
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
  const at::Tensor space =
      at::empty({std::max(packed_workspace(c.m, c.n, c.k), blas_workspace(c.m, c.n, c.k))}, at::kFloat);
  const at::Tensor bias = at::arange(c.n, at::kFloat), sums = at::full({c.m, c.n}, 3.0, at::kFloat);
  at::Tensor out = at::empty({c.m, c.n}, c.right), before = at::empty({c.m, c.n}, c.right);
  ASSERT_TRUE(way(left, right,
                  {kind_of(out), out.mutable_data_ptr(), bias.const_data_ptr<float>(), Act::relu,
                   before.mutable_data_ptr()},
                  c.m, c.n, c.k, space.data_ptr<float>()));
  EXPECT_TRUE(at::equal(before, (expected + bias).to(c.right)));
  EXPECT_TRUE(at::equal(out, at::relu(expected + bias).to(c.right)));
  Result added{Kind::f32, sums.mutable_data_ptr()};
  added.accumulate = true;
  ASSERT_TRUE(way(left, right, added, c.m, c.n, c.k, space.data_ptr<float>()));
  EXPECT_TRUE(at::equal(sums, (expected + 3).to(at::kFloat)));
}

void expect_exact_in_all_shapes(Way way) {
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
          expect_exact({m, n, k, left, right, left_transposed, right_transposed}, way, left != right);
}

TEST(Product, OfPanelsIsExactInEveryKindShapeAndOrder) {
  if (avx512_panels(Kind::f32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  expect_exact_in_all_shapes(by_panels);
  expect_exact_in_all_shapes(by_panels_on_one_thread);
  at::set_num_threads(before);
}

TEST(Product, OfBlasIsExactInEveryKindShapeAndOrder) {
  expect_exact_in_all_shapes(by_blas);
}

bool by_rows(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k, float*) {
  row_product(a, b, result, m, n, k);
  return true;
}

TEST(Product, OfFewRowsIsExact) {
  at::manual_seed(5);
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16})
    for (const std::int64_t m : {1, 3, 4})
      for (const std::int64_t k : {1, 511, 1030})
        expect_exact({m, 300, k, dtype, dtype, false, true}, by_rows);
}

TEST(Product, IsExactInManyBlocks) {
  const SmallWorkspace small(16384);
  expect_exact_in_all_shapes(by_blas);
  if (avx512_panels(Kind::f32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  expect_exact_in_all_shapes(by_panels);
}

// A header's template that a build without OpenMP would run on one thread, and say nothing.
TEST(Product, RunsOnAllThreads) {
#if !defined(INTRA_OP_PARALLEL)
  GTEST_SKIP() << "this build has no OpenMP: sanitizers do not know it";
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

// However it is cut, each sum is one chain: the same bits.
TEST(Product, OfPanelsHasTheSameBitsHoweverItIsCut) {
  if (avx512_panels(Kind::f32) == nullptr) GTEST_SKIP() << "this processor has no AVX-512";
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::manual_seed(6);
    const std::int64_t m = 61, n = 77, k = 903;
    const at::Tensor a = at::randn({m, k}).to(dtype), b = at::randn({k, n}).to(dtype);
    const auto in_workspace_of = [&](std::int64_t bytes) {
      const SmallWorkspace small(bytes);
      at::Tensor out = at::empty({m, n}, at::kFloat);
      const at::Tensor space = at::empty({packed_workspace(m, n, k)}, at::kFloat);
      packed_product(operand(a, false), operand(b, false), {Kind::f32, out.mutable_data_ptr()}, m, n, k,
                     space.data_ptr<float>());
      return out;
    };
    EXPECT_TRUE(at::equal(in_workspace_of(4 << 20), in_workspace_of(8192))) << c10::toString(dtype);
  }
}

}  // namespace
}  // namespace ebb::numerics::cpu
