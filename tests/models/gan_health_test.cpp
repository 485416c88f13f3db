// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

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

TEST(GanHealth, EachSignIsTold) {
  GanHealth health;
  std::vector<std::string> told;
  for (int i = 0; i < 1100; ++i)
    if (std::string text = health.observe({1, i < 600 ? 1 : 0.001, 0}); !text.empty()) told.push_back(text);
  ASSERT_EQ(told.size(), 2U) << "the first sign lasts when the second begins";
  EXPECT_THAT(told[0], HasSubstr("right about"));
  EXPECT_THAT(told[1], HasSubstr("of the variance"));
  GanHealth at_once;
  told.clear();
  for (int i = 0; i < 300; ++i)
    if (std::string text = at_once.observe({1, 0.001, 0}); !text.empty()) told.push_back(text);
  EXPECT_EQ(told.size(), 2U);
}

TEST(GanHealth, AfterARestartASignHasToLastAgain) {
  GanHealth health;
  for (int i = 0; i < 300; ++i) health.observe({0.7, 0.9, 0.4});
  int steps = 0;
  while (health.observe({1, 0.9, 0.4}).empty()) ASSERT_LT(++steps, 1000);
  health.restart();
  for (int i = 0; i < 300; ++i) ASSERT_EQ(health.observe({1, 0.9, 0.4}), "") << i;
  steps = 0;
  while (health.observe({1, 0.9, 0.4}).empty()) ASSERT_LT(++steps, 100) << "it has not come back";
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
