// SPDX-License-Identifier: Apache-2.0
#include "optim/schedule.h"

#include <gtest/gtest.h>

#include "optim/optimizer.h"

namespace ebb::optim {
namespace {

TEST(Schedule, WarmsUpFromTheFirstStepToThePeak) {
  const ScheduleConfig s{.kind = ScheduleKind::cosine, .warmup_steps = 4};
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 0, 100), 0.25);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 1, 100), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 3, 100), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 4, 100), 1.0);
}

TEST(Schedule, CosineFallsToItsFinalRatio) {
  const ScheduleConfig s{.kind = ScheduleKind::cosine, .warmup_steps = 0, .final_ratio = 0.1};
  EXPECT_DOUBLE_EQ(learning_rate(s, 2.0, 0, 101), 2.0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 2.0, 50, 101), 1.1);
  EXPECT_NEAR(learning_rate(s, 2.0, 25, 101), 2.0 * (0.1 + 0.9 * 0.8535533905932737), 1e-12);
  EXPECT_NEAR(learning_rate(s, 2.0, 100, 101), 0.2, 1e-12);
  EXPECT_NEAR(learning_rate(s, 2.0, 500, 101), 0.2, 1e-12) << "past the end it stays there";
}

TEST(Schedule, EndsAfterItsSamplesOrWithTheRun) {
  ScheduleConfig s{.kind = ScheduleKind::linear, .warmup_steps = 0};
  EXPECT_EQ(s.length(100, 8), 100);
  s.samples = 88;
  EXPECT_EQ(s.length(100, 8), 11);
  EXPECT_EQ(s.length(100, 9), 10) << "the step in which the last of them is";
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 5, s.length(100, 8)), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 50, s.length(100, 8)), 0.0);
}

TEST(Schedule, LinearFallsEvenly) {
  const ScheduleConfig s{.kind = ScheduleKind::linear, .warmup_steps = 10};
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 10, 21), 1.0);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 15, 21), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 20, 21), 0.0);
}

TEST(Schedule, ConstantStaysAtThePeak) {
  const ScheduleConfig s{.kind = ScheduleKind::constant, .warmup_steps = 2};
  EXPECT_DOUBLE_EQ(learning_rate(s, 3.0, 0, 10), 1.5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 3.0, 9, 10), 3.0);
}

TEST(Schedule, AWarmUpLongerThanTheRunIsNoDivisionByZero) {
  const ScheduleConfig s{.kind = ScheduleKind::cosine, .warmup_steps = 10};
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 4, 5), 0.5);
  EXPECT_DOUBLE_EQ(learning_rate(s, 1.0, 10, 11), 0.0);
}

TEST(ClipFactor, ScalesDownToTheNormOnly) {
  EXPECT_DOUBLE_EQ(clip_factor(4.0, 1.0), 0.25);
  EXPECT_DOUBLE_EQ(clip_factor(0.5, 1.0), 1.0);
  EXPECT_DOUBLE_EQ(clip_factor(100.0, 0.0), 1.0);
}

}  // namespace
}  // namespace ebb::optim
