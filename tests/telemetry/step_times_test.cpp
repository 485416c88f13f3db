// SPDX-License-Identifier: Apache-2.0
#include "telemetry/step_times.h"

#include <gtest/gtest.h>

namespace ebb::telemetry {
namespace {

memory::StageSeconds step(double forward, double backward) {
  memory::StageSeconds seconds{};
  seconds[static_cast<std::size_t>(memory::Stage::forward)] = forward;
  seconds[static_cast<std::size_t>(memory::Stage::backward)] = backward;
  return seconds;
}

TEST(StepTimes, SummarisesTheStepsSinceTheLastSummary) {
  StepTimes times;
  EXPECT_FALSE(times.summarize());
  for (int i = 100; i >= 1; --i) times.add(step(0.25 * i, 0.75 * i));
  const auto found = times.summarize();
  ASSERT_TRUE(found);
  EXPECT_EQ(found->steps, 100);
  EXPECT_DOUBLE_EQ(found->p50_s, 50);
  EXPECT_DOUBLE_EQ(found->p95_s, 95);
  EXPECT_DOUBLE_EQ(found->share[static_cast<std::size_t>(memory::Stage::forward)], 0.25);
  EXPECT_DOUBLE_EQ(found->share[static_cast<std::size_t>(memory::Stage::backward)], 0.75);
  EXPECT_FALSE(times.summarize());
  times.add(step(1, 2));
  EXPECT_DOUBLE_EQ(times.summarize()->p95_s, 3);
}

TEST(StepTimes, KeepsTheLast1000Steps) {
  StepTimes times;
  for (int i = 0; i < 5000; ++i) times.add(step(i < 4000 ? 1000 : 1, 0));
  const auto found = times.summarize();
  EXPECT_EQ(found->steps, 1000);
  EXPECT_DOUBLE_EQ(found->p95_s, 1);
}

}  // namespace
}  // namespace ebb::telemetry
