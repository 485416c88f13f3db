// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "models/gan/health.h"

namespace ebb::models {
namespace {

using ::testing::HasSubstr;

// The first text of `steps` steps with these figures, after 300 good steps.
std::string first_text(const GanFigures& figures, int steps = 1000) {
  GanHealth health;
  for (int i = 0; i < 300; ++i) EXPECT_EQ(health.observe({0.7, 0.9, 0.4}), "");
  for (int i = 0; i < steps; ++i)
    if (std::string text = health.observe(figures); !text.empty()) return text;
  return "";
}

TEST(GanHealth, AGoodRunIsSilent) {
  EXPECT_EQ(first_text({0.9, 0.6, 3}), "");
}

TEST(GanHealth, ADiscriminatorThatIsAlwaysRight) {
  EXPECT_THAT(first_text({1, 0.9, 0.4}), HasSubstr("right about 99.5 % of the pairs"));
  EXPECT_THAT(first_text({0, 0.9, 0.4}), HasSubstr("wrong about 99.5 % of the pairs"));
  EXPECT_EQ(first_text({1, 0.9, 0.4}, 100), "") << "a sign must last";
}

TEST(GanHealth, SamplesThatAreAllAlike) {
  EXPECT_THAT(first_text({0.7, 0.001, 0.4}), HasSubstr("% of the variance of real ones"));
}

TEST(GanHealth, APenaltyThatGrows) {
  EXPECT_THAT(first_text({0.7, 0.9, 40}), HasSubstr("has grown from 0.4 to 10"));
  EXPECT_EQ(first_text({0.7, 0.9, 0}), "") << "a lazy penalty is missing in most steps";
}

TEST(GanHealth, ASignIsToldAgainWhileItLasts) {
  GanHealth health;
  int told = 0;
  for (int i = 0; i < 2500; ++i) told += health.observe({1, 1, 0}).empty() ? 0 : 1;
  EXPECT_EQ(told, 3);  // after 200, 1200 and 2200 steps
}

TEST(GanHealth, ContinuesFromItsState) {
  GanHealth health;
  for (int i = 0; i < 250; ++i) health.observe({0.7, 0.9, 0.4});
  GanHealth other;
  other.restore(health.state());
  for (int i = 0; i < 1500; ++i) ASSERT_EQ(health.observe({1, 0.5, 3}), other.observe({1, 0.5, 3})) << i;
  EXPECT_EQ(health.state(), other.state());
}

}  // namespace
}  // namespace ebb::models
