// SPDX-License-Identifier: Apache-2.0
#include "evaluate/feature_distances.h"

#include <gtest/gtest.h>

#include <cmath>

#include "evaluate/images_under_test.h"
#include "evaluate/precision_recall.h"

namespace ebb::evaluate {
namespace {

at::Tensor gaussian(std::uint64_t seed, std::int64_t rows, std::int64_t width) {
  at::manual_seed(seed);
  return at::randn({rows, width});
}

// [2^F, F]: rows with exactly this mean and the unbiased covariance root root'. They are all combinations of
// signs, scaled and transformed.
at::Tensor rows_of(const at::Tensor& mean, const at::Tensor& root) {
  const std::int64_t width = mean.size(0), count = std::int64_t{1} << width;
  const at::Tensor signs =
      at::arange(count).unsqueeze(1).bitwise_right_shift(at::arange(width)).bitwise_and(1) * 2 - 1;
  const double scale = std::sqrt(static_cast<double>(count - 1) / static_cast<double>(count));
  return (mean + at::mm(signs.to(at::kDouble) * scale, root.t())).to(at::kFloat);
}

at::Tensor vector(std::vector<double> values) {
  return at::tensor(values, at::kDouble);
}

TEST(FrechetDistance, OfIndependentFeaturesIsTheDistanceOfMeansAndDeviations) {
  const at::Tensor mean_a = vector({1, 2, 3, 0}), mean_b = vector({0, 4, 3, 1});
  const at::Tensor a = rows_of(mean_a, vector({1, 2, 3, 0.5}).diag());
  const at::Tensor b = rows_of(mean_b, vector({2, 2, 1, 0}).diag());
  EXPECT_NEAR(frechet_distance(a, b), (1 + 4 + 0 + 1) + (1 + 0 + 4 + 0.25), 1e-5);
}

// For 2 x 2 matrices tr (Ca Cb)^(1/2) is (tr(Ca Cb) + 2 det(Ca Cb)^(1/2))^(1/2).
TEST(FrechetDistance, OfCorrelatedFeaturesHasAClosedForm) {
  const at::Tensor root_a = vector({1, 0.5, 0, 2}).reshape({2, 2});
  const at::Tensor root_b = vector({3, -1, 0.5, 1}).reshape({2, 2});
  const at::Tensor ca = at::mm(root_a, root_a.t()), cb = at::mm(root_b, root_b.t()), product = at::mm(ca, cb);
  ASSERT_GT((product - product.t()).abs().max().item<double>(), 0.1);  // they do not commute
  const double determinant = (product[0][0] * product[1][1] - product[0][1] * product[1][0]).item<double>();
  const double root_trace = std::sqrt(product.trace().item<double>() + 2 * std::sqrt(determinant));
  const double expected = 25 + ca.trace().item<double>() + cb.trace().item<double>() - 2 * root_trace;
  const at::Tensor a = rows_of(vector({3, 0}), root_a), b = rows_of(vector({0, 4}), root_b);
  EXPECT_NEAR(frechet_distance(a, b), expected, 1e-5);
  EXPECT_NEAR(frechet_distance(b, a), expected, 1e-5);
}

TEST(FrechetDistance, IsZeroForEqualSetsAlsoWithFewRows) {
  const at::Tensor many = gaussian(1, 3000, 16), few = gaussian(1, 5, 64);
  EXPECT_NEAR(frechet_distance(many, many), 0, 1e-9);
  EXPECT_NEAR(frechet_distance(few, few), 0, 1e-4);
  EXPECT_GE(frechet_distance(few, few), 0);
}

TEST(FrechetDistance, KeepsItsPrecisionFarFromZero) {
  const at::Tensor a = at::tensor({1.0F, 1.0F, 1.0F, -1.0F, -1.0F, 1.0F, -1.0F, -1.0F}).reshape({4, 2});
  EXPECT_NEAR(frechet_distance(a + 4096, a + 4099), 18, 1e-9);
}

TEST(FrechetDistance, RefusesOneRow) {
  expect_error(ExitCode::usage, {"at least 2 images", "1 and 5"},
               [] { frechet_distance(gaussian(1, 1, 3), gaussian(2, 5, 3)); });
}

double direct_kernel(const at::Tensor& x, const at::Tensor& y) {
  double dot = 0;
  for (std::int64_t i = 0; i < x.size(0); ++i) dot += x[i].item<double>() * y[i].item<double>();
  return std::pow(dot / static_cast<double>(x.size(0)) + 1, 3);
}

double direct_mean(const at::Tensor& x, const at::Tensor& y, bool same_set) {
  double sum = 0;
  std::int64_t pairs = 0;
  for (std::int64_t i = 0; i < x.size(0); ++i)
    for (std::int64_t j = 0; j < y.size(0); ++j) {
      if (same_set && i == j) continue;
      sum += direct_kernel(x[i], y[j]);
      ++pairs;
    }
  return sum / static_cast<double>(pairs);
}

TEST(KernelDistance, EqualsADirectLoop) {
  const at::Tensor a = gaussian(1, 7, 5), b = gaussian(2, 7, 5) * 1.5 + 0.5;
  const KernelDistance found = kernel_distance(a, b);
  const double expected = direct_mean(a, a, true) + direct_mean(b, b, true) - 2 * direct_mean(a, b, false);
  EXPECT_NEAR(found.mean, expected, 1e-12 + 1e-6 * std::abs(expected));
  EXPECT_EQ(found.deviation, 0);  // there is only one subset of all rows
}

// The mean over all subsets is the value of all rows, computed here at once.
TEST(KernelDistance, OfSubsetsIsNearThatOfAllRows) {
  const at::Tensor a = gaussian(1, 1500, 8), b = gaussian(2, 1300, 8) * 1.2;
  const auto mean = [](const at::Tensor& x, const at::Tensor& y, bool same_set) {
    const at::Tensor k = (at::mm(x.to(at::kDouble), y.to(at::kDouble).t()) / 8 + 1).pow(3);
    const at::Tensor sum = same_set ? k.sum() - k.trace() : k.sum();
    return sum.item<double>() / static_cast<double>(x.size(0) * (y.size(0) - (same_set ? 1 : 0)));
  };
  const KernelDistance found = kernel_distance(a, b);
  EXPECT_GT(found.deviation, 0);
  EXPECT_NEAR(found.mean, mean(a, a, true) + mean(b, b, true) - 2 * mean(a, b, false), 0.5 * found.deviation);
  const KernelDistance again = kernel_distance(a, b);
  EXPECT_EQ(found.mean, again.mean);
  EXPECT_EQ(found.deviation, again.deviation);
}

TEST(KernelDistance, GrowsWithTheDifference) {
  const at::Tensor a = gaussian(1, 1200, 8), b = gaussian(2, 1200, 8);
  const double none = kernel_distance(a, b).mean, little = kernel_distance(a, b + 0.3).mean;
  EXPECT_LT(std::abs(none), 0.05 * little);
  EXPECT_GT(kernel_distance(a, b + 0.6).mean, 2 * little);
}

TEST(KernelDistance, RefusesOneRowAndOtherWidths) {
  expect_error(ExitCode::usage, {"at least 2 images", "9 and 1"},
               [] { kernel_distance(gaussian(1, 9, 3), gaussian(2, 1, 3)); });
  expect_error(ExitCode::internal, {"[9, 3]", "[9, 4]"},
               [] { kernel_distance(gaussian(1, 9, 3), gaussian(2, 9, 4)); });
}

TEST(FeatureDistances, RefuseFeaturesThatAreNotFinite) {
  at::Tensor bad = gaussian(1, 9, 3);
  bad[4][1] = NAN;
  bad[5][2] = -INFINITY;
  for (const auto measure : {+[](const at::Tensor& a, const at::Tensor& b) { frechet_distance(a, b); },
                             +[](const at::Tensor& a, const at::Tensor& b) { kernel_distance(a, b); },
                             +[](const at::Tensor& a, const at::Tensor& b) { precision_recall(a, b); },
                             +[](const at::Tensor& a, const at::Tensor& b) { nearest_rows(a, b); }})
    expect_error(ExitCode::numerics, {"2 of the 27"}, [&] { measure(gaussian(2, 9, 3), bad); });
}

}  // namespace
}  // namespace ebb::evaluate
