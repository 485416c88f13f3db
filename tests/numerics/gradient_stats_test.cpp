// SPDX-License-Identifier: Apache-2.0
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include "numerics/update.h"

namespace ebb::numerics {
namespace {

struct Stats {
  double square_sum, non_finite;
};
Stats stats_of(const at::Tensor& grad) {
  const at::Tensor found = gradient_stats({grad});
  return {found[0][0].item<double>(), found[0][1].item<double>()};
}

TEST(GradientStats, SumsSquaresAndCountsWhatIsNotFinite) {
  for (const auto dtype : {at::kFloat, at::kHalf, at::kBFloat16}) {
    at::manual_seed(10);
    const at::Tensor g = at::randn({200001}).to(dtype);
    const double expected = g.to(at::kDouble).square().sum().item<double>();
    EXPECT_NEAR(stats_of(g).square_sum, expected, 1e-9 * expected);
    EXPECT_EQ(stats_of(g).non_finite, 0);
    at::Tensor bad = g.clone();
    bad[3] = std::numeric_limits<float>::infinity();
    bad[70000] = -std::numeric_limits<float>::infinity();
    bad[200000] = std::numeric_limits<float>::quiet_NaN();
    const Stats stats = stats_of(bad);
    EXPECT_EQ(stats.non_finite, 3);
    EXPECT_TRUE(std::isfinite(stats.square_sum));
    EXPECT_LT(stats.square_sum, expected);
  }
}

TEST(GradientStats, IsTheSameOnAnyNumberOfThreads) {
  const int before = at::get_num_threads();
  const at::Tensor g = at::randn({500000});
  at::set_num_threads(1);
  const double one = stats_of(g).square_sum;
  at::set_num_threads(2);
  const double two = stats_of(g).square_sum;
  at::set_num_threads(before);
  EXPECT_EQ(one, two);
}

TEST(GradientStats, AnEmptyGradientIsZero) {
  EXPECT_EQ(stats_of(at::zeros({0})).square_sum, 0.0);
}

TEST(GradientStats, EachOfManyHasItsRow) {
  const at::Tensor found = gradient_stats({at::full({3}, 2.0), at::full({1}, INFINITY), at::ones({5})});
  EXPECT_TRUE(at::equal(found, at::tensor({12.0, 0.0, 0.0, 1.0, 5.0, 0.0}, at::kDouble).view({3, 2})));
  EXPECT_EQ(gradient_stats({}).size(0), 0);
}

}  // namespace
}  // namespace ebb::numerics
