// SPDX-License-Identifier: Apache-2.0
#include "telemetry/straggler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::telemetry {
namespace {

using memory::Stage;
using memory::StageSeconds;
using ::testing::HasSubstr;

// A rank that computes for these seconds and then waits until the step has lasted one second.
StageSeconds rank(double load, double forward, double backward) {
  StageSeconds s{};
  s[static_cast<std::size_t>(Stage::load)] = load;
  s[static_cast<std::size_t>(Stage::forward)] = forward;
  s[static_cast<std::size_t>(Stage::backward)] = backward;
  s[static_cast<std::size_t>(Stage::reduce)] = 1 - load - forward - backward;
  return s;
}

TEST(Straggler, ASingleRankIsNoStraggler) {
  EXPECT_FALSE(find_straggler({}));
  EXPECT_FALSE(find_straggler({rank(0.1, 0.3, 0.5)}));
}

TEST(Straggler, ADelayOfATenthOfTheStepIsNoStraggler) {
  EXPECT_FALSE(find_straggler({rank(0, 0.3, 0.5), rank(0, 0.3, 0.59)}));
  EXPECT_TRUE(find_straggler({rank(0, 0.3, 0.5), rank(0, 0.3, 0.61)}));
}

TEST(Straggler, ADelayOfUpTo5MsIsNoStraggler) {
  EXPECT_FALSE(find_straggler({{0, 0, 0.001, 0, 0.004}, {0, 0, 0.005, 0, 0.0}}));
  EXPECT_TRUE(find_straggler({{0, 0, 0.001, 0, 0.006}, {0, 0, 0.007, 0, 0.0}}));
}

TEST(Straggler, IsReportedWithItsDelayAndStage) {
  const auto found = find_straggler({rank(0.1, 0.2, 0.3), rank(0.1, 0.2, 0.3), rank(0.35, 0.25, 0.35)});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 2);
  EXPECT_EQ(found->stage, Stage::load);
  EXPECT_NEAR(found->delay_s, 0.35, 1e-12);
  EXPECT_NEAR(found->step_s, 1, 1e-12);
}

TEST(Straggler, IsFoundAmongTwoSlowRanksOfFive) {
  const auto found = find_straggler(
      {rank(0, 0.2, 0.3), rank(0, 0.2, 0.7), rank(0, 0.2, 0.3), rank(0, 0.2, 0.69), rank(0, 0.2, 0.3)});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 1);
  EXPECT_EQ(found->stage, Stage::backward);
}

TEST(StragglerWatch, ReportsARankThatStaysSlowOncePer500Steps) {
  StragglerWatch watch({"near", "far"});
  const Straggler slow{1, Stage::forward, 0.2, 0.8};
  std::int64_t step = 0;
  for (; step < 9; ++step) EXPECT_FALSE(watch.observe(step, slow)) << step;
  const auto message = watch.observe(step++, slow);
  ASSERT_TRUE(message);
  for (const char* text : {"rank 1 (far)", "10 of the last 10 steps", "25 %", "200 of 800 ms", "in forward"})
    EXPECT_THAT(*message, HasSubstr(text));
  for (; step < 509; ++step) EXPECT_FALSE(watch.observe(step, slow)) << step;
  EXPECT_TRUE(watch.observe(step, slow));
}

TEST(StragglerWatch, DoesNotReportSingleSlowSteps) {
  StragglerWatch watch({"near", "far"});
  for (std::int64_t step = 0; step < 400; ++step)
    EXPECT_FALSE(
        watch.observe(step, step % 3 == 0 ? std::optional(Straggler{1, Stage::load, 1, 2}) : std::nullopt));
}

}  // namespace
}  // namespace ebb::telemetry
