#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "numerics/update.h"

namespace ebb::numerics {
namespace {

TEST(GradientStats, SumsSquaresAndCountsWhatIsNotFinite) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::manual_seed(10);
    const at::Tensor g = at::randn({200001}).to(dtype);
    const double expected = g.to(at::kDouble).square().sum().item<double>();
    EXPECT_NEAR(gradient_stats(g).square_sum, expected, 1e-9 * expected);
    EXPECT_EQ(gradient_stats(g).non_finite, 0);
    at::Tensor bad = g.clone();
    bad[3] = std::numeric_limits<float>::infinity();
    bad[70000] = -std::numeric_limits<float>::infinity();
    bad[200000] = std::numeric_limits<float>::quiet_NaN();
    const GradientStats stats = gradient_stats(bad);
    EXPECT_EQ(stats.non_finite, 3);
    EXPECT_TRUE(std::isfinite(stats.square_sum));
    EXPECT_LT(stats.square_sum, expected);
  }
}

TEST(GradientStats, IsTheSameOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  const at::Tensor g = at::randn({500000});
  at::set_num_threads(1);
  const double one = gradient_stats(g).square_sum;
  at::set_num_threads(2);
  const double two = gradient_stats(g).square_sum;
  at::set_num_threads(before);
  EXPECT_EQ(one, two);
}

TEST(GradientStats, AnEmptyGradientIsZero) {
  EXPECT_EQ(gradient_stats(at::zeros({0})).square_sum, 0.0);
}

}  // namespace
}  // namespace ebb::numerics
