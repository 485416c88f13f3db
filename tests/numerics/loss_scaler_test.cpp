// SPDX-License-Identifier: Apache-2.0
#include "numerics/loss_scaler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace ebb::numerics {
namespace {

TEST(LossScaler, DoublesAfterEnoughAcceptedStepsInARow) {
  LossScaler s({.initial = 8, .growth_interval = 3});
  for (int i = 0; i < 2; ++i) EXPECT_TRUE(s.update(false));
  EXPECT_EQ(s.scale(), 8);
  s.update(false);
  EXPECT_EQ(s.scale(), 16);
}

TEST(LossScaler, AnOverflowStartsTheCountAnew) {
  LossScaler s({.initial = 8, .growth_interval = 3, .hysteresis = 0});
  s.update(false);
  s.update(false);
  EXPECT_FALSE(s.update(true));
  EXPECT_EQ(s.scale(), 4);
  s.update(false);
  s.update(false);
  EXPECT_EQ(s.scale(), 4);
  s.update(false);
  EXPECT_EQ(s.scale(), 8);
}

TEST(LossScaler, HysteresisForgivesThatManyOverflowsSinceTheLastGrowth) {
  LossScaler s({.initial = 8, .growth_interval = 2, .hysteresis = 2});
  EXPECT_FALSE(s.update(true));
  EXPECT_TRUE(s.update(false));
  EXPECT_FALSE(s.update(true));
  EXPECT_EQ(s.scale(), 8);
  EXPECT_FALSE(s.update(true));
  EXPECT_EQ(s.scale(), 4);
  EXPECT_FALSE(s.update(true));
  EXPECT_EQ(s.scale(), 2);
  s.update(false);
  s.update(false);
  EXPECT_EQ(s.scale(), 4);
  EXPECT_FALSE(s.update(true));
  EXPECT_EQ(s.scale(), 4) << "the count starts again after growth";
}

TEST(LossScaler, DoesNotGrowPastItsCeiling) {
  LossScaler s({.initial = 8, .ceiling = 12, .growth_interval = 1});
  s.update(false);
  s.update(false);
  EXPECT_EQ(s.scale(), 12);
}

TEST(LossScaler, UnderTheFloorTheRunHasDiverged) {
  LossScaler s({.initial = 4, .floor = 1, .hysteresis = 0});
  s.update(true);
  s.update(true);
  EXPECT_EQ(s.scale(), 1);
  try {
    s.update(true);
    FAIL() << "continued below its floor";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ExitCode::numerics);
    EXPECT_THAT(e.what(), testing::AllOf(testing::HasSubstr("3 times in a row"), testing::HasSubstr("0.5"),
                                         testing::HasSubstr("floor of 1")));
  }
}

TEST(LossScaler, TheFixedScaleStaysAtOneAndStillSkips) {
  LossScaler s = LossScaler::fixed();
  for (int i = 0; i < 2000; ++i) EXPECT_TRUE(s.update(false));
  for (int i = 0; i < 50; ++i) EXPECT_FALSE(s.update(true));
  EXPECT_EQ(s.scale(), 1);
}

TEST(LossScaler, TheFixedScaleEndsARunWhoseGradientsStayNonFinite) {
  LossScaler s = LossScaler::fixed();
  for (int i = 0; i < 99; ++i) EXPECT_FALSE(s.update(true));
  try {
    s.update(true);
    FAIL() << "it does not end";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::numerics);
  }
}

TEST(LossScaler, ARestoredScalerDecidesTheSame) {
  const LossScaleConfig config{.initial = 64, .growth_interval = 4, .hysteresis = 1};
  LossScaler a(config);
  for (const bool overflow : {false, false, true, false, false, false}) a.update(overflow);
  LossScaler b(config);
  b.restore(a.state());
  for (const bool overflow : {false, true, true, false, false, false, false, true}) {
    EXPECT_EQ(a.update(overflow), b.update(overflow));
    EXPECT_EQ(a.scale(), b.scale());
  }
}

TEST(LossScaler, AStateThatCannotBeIsRefused) {
  LossScaler scaler({.initial = 64});
  const nlohmann::json good = scaler.state();
  for (const auto& [key, value] : std::vector<std::pair<std::string, nlohmann::json>>{{"scale", 0},
                                                                                      {"scale", -1.0},
                                                                                      {"scale", nullptr},
                                                                                      {"scale", "64"},
                                                                                      {"accepted", -1},
                                                                                      {"forgiven", 0.5}}) {
    nlohmann::json bad = good;
    bad[key] = value;
    EXPECT_THROW(scaler.restore(bad), nlohmann::json::exception) << bad;
  }
  EXPECT_NO_THROW(scaler.restore(good));
}

TEST(LossScaler, AnInitialScaleOutsideItsBoundsIsRefused) {
  EXPECT_THROW(LossScaler({.initial = 0.5, .floor = 1}), Error);
}

}  // namespace
}  // namespace ebb::numerics
