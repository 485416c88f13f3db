// SPDX-License-Identifier: Apache-2.0
#include "evaluate/precision_recall.h"

#include <gtest/gtest.h>

#include "evaluate/images_under_test.h"

namespace ebb::evaluate {
namespace {

at::Tensor points(const std::vector<float>& places) {
  return at::tensor(places).unsqueeze(1);
}

// The balls around 0, 1, 2 and 3 cover [-3, 6]. Those around 6, 10, 11 and 12 cover [0, 18].
TEST(PrecisionRecall, OfPointsOnALine) {
  const PrecisionRecall found = precision_recall(points({0, 1, 2, 3}), points({10, 11, 12, 6}));
  EXPECT_EQ(found.precision, 0.25);  // 6 lies on the surface
  EXPECT_EQ(found.recall, 1);
  const PrecisionRecall swapped = precision_recall(points({10, 11, 12, 6}), points({0, 1, 2, 3}));
  EXPECT_EQ(swapped.precision, 1);
  EXPECT_EQ(swapped.recall, 0.25);
}

TEST(PrecisionRecall, IsZeroForDistantSetsAndOneForEqualOnes) {
  at::manual_seed(1);
  const at::Tensor real = at::randn({50, 64});
  const PrecisionRecall distant = precision_recall(real, real + 100),
                        equal = precision_recall(real, real.flip(0));
  EXPECT_EQ(distant.precision, 0);
  EXPECT_EQ(distant.recall, 0);
  EXPECT_EQ(equal.precision, 1);
  EXPECT_EQ(equal.recall, 1);
}

// With four equal rows the radius is 0.
TEST(PrecisionRecall, FindsEqualRowsAtRadiusZero) {
  at::manual_seed(1);
  const at::Tensor row = at::randn({1, 64});
  const PrecisionRecall found = precision_recall(row.repeat({4, 1}), row.repeat({6, 1}));
  EXPECT_EQ(found.precision, 1);
  EXPECT_EQ(found.recall, 1);
  EXPECT_EQ(precision_recall(row.repeat({4, 1}), row.repeat({6, 1}) + 1e-3).precision, 0);
}

// More rows than a block of distances has. Half of the generated points lie 0.5 beside real ones. They cover
// [-2.5, 3002.5]: the outermost have a radius of 3. The others are far away.
TEST(PrecisionRecall, OfSetsLargerThanABlock) {
  const at::Tensor real = at::arange(6000, at::kFloat).unsqueeze(1);
  const at::Tensor near = at::arange(3000, at::kFloat) + 0.5,
                   far = at::arange(3000, at::kFloat) * 10 + 100000;
  const PrecisionRecall found = precision_recall(real, at::cat({far, near}).unsqueeze(1));
  EXPECT_EQ(found.precision, 0.5);
  EXPECT_EQ(found.recall, 3003.0 / 6000);
}

TEST(PrecisionRecall, RefusesThreeRows) {
  expect_error(ExitCode::usage, {"at least 4 images", "3 and 4"},
               [] { precision_recall(points({1, 2, 3}), points({1, 2, 3, 4})); });
}

TEST(NearestRows, EqualsASearchOfAllRows) {
  at::manual_seed(1);
  const at::Tensor rows = at::randn({5000, 8}), queries = at::randn({1100, 8});
  const at::Tensor distances = at::cdist(queries.to(at::kDouble), rows.to(at::kDouble));
  const at::Tensor found = nearest_rows(queries, rows);
  EXPECT_EQ(found.scalar_type(), at::kLong);
  EXPECT_TRUE(at::equal(found, distances.argmin(1)));
  EXPECT_TRUE(at::equal(nearest_rows(rows, rows), at::arange(5000)));
}

TEST(NearestRows, TakesTheFirstOfSeveral) {
  EXPECT_EQ(nearest_rows(points({1}), points({0, 2}))[0].item<std::int64_t>(), 0);
  at::Tensor rows = at::arange(5000, at::kFloat).unsqueeze(1);
  rows[4500][0] = 3;  // of another block than row 3
  EXPECT_EQ(nearest_rows(points({3}), rows)[0].item<std::int64_t>(), 3);
}

TEST(NearestRows, OfRowsInPartsTheNearestComeFirstAndOnTiesTheLowerNumber) {
  NearestRows search(points({0, 10}), 3);
  search.add(points({4, -1}));
  EXPECT_TRUE(at::equal(search.indices(), at::tensor({1, 0, 0, 1}, at::kLong).view({2, 2})));
  search.add(points({1, 12, 8}));
  EXPECT_TRUE(at::equal(search.indices(), at::tensor({1, 2, 0, 3, 4, 0}, at::kLong).view({2, 3})));
}

}  // namespace
}  // namespace ebb::evaluate
