// SPDX-License-Identifier: Apache-2.0
#include "train/utilization.h"

#include <gtest/gtest.h>

namespace ebb::train {
namespace {

TEST(Utilization, IsTheShareOfTheRate) {
  Utilization utilization(2e6, 1e9);
  EXPECT_DOUBLE_EQ(utilization.of_step(100, 0.5), 0.4);
  EXPECT_EQ(utilization.rate(), 1e9);
}

TEST(Utilization, AFasterStepRaisesTheRate) {
  Utilization utilization(2e6, 1e9);
  EXPECT_EQ(utilization.of_step(100, 0.1), 1);
  EXPECT_DOUBLE_EQ(utilization.rate(), 2e9);
  EXPECT_DOUBLE_EQ(utilization.of_step(100, 0.2), 0.5);
}

TEST(Utilization, WithoutARateItIsUnknown) {
  Utilization unknown;
  EXPECT_EQ(unknown.of_step(100, 0.1), 0);
  EXPECT_EQ(Utilization(2e6, 1e9).of_step(100, 0), 0);
}

}  // namespace
}  // namespace ebb::train
