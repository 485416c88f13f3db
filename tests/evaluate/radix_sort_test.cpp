// SPDX-License-Identifier: Apache-2.0
#include "evaluate/radix_sort.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "base/philox.h"

namespace ebb::evaluate {
namespace {

TEST(RadixSort, EqualsSortingByComparison) {
  std::vector<float> values{0.0F,
                            1.0F,
                            -1.0F,
                            std::numeric_limits<float>::max(),
                            std::numeric_limits<float>::lowest(),
                            std::numeric_limits<float>::infinity(),
                            -std::numeric_limits<float>::infinity(),
                            std::numeric_limits<float>::denorm_min(),
                            -std::numeric_limits<float>::denorm_min()};
  for (std::uint64_t i = 0; i < 5000; ++i)
    for (const float normal : normals(philox({static_cast<std::uint32_t>(i), 0, 0, 0}, 1)))
      values.push_back(i % 2 == 0 ? normal : normal * 1e30F);
  values.insert(values.end(), 100, values[50]);  // equal values
  std::vector<float> expected = values;
  std::ranges::sort(expected);
  radix_sort(values);
  EXPECT_EQ(values, expected);
}

TEST(RadixSort, SortsFewValues) {
  std::vector<float> none, one{2.0F}, two{3.0F, -3.0F};
  radix_sort(none);
  radix_sort(one);
  radix_sort(two);
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(one, (std::vector<float>{2.0F}));
  EXPECT_EQ(two, (std::vector<float>{-3.0F, 3.0F}));
}

}  // namespace
}  // namespace ebb::evaluate
