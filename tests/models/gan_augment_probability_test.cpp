// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "models/gan/augment_probability.h"

namespace ebb::models {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

GanAugmentConfig config_of(double probability, double target, std::int64_t adjust_samples) {
  GanAugmentConfig config;
  config.probability = probability, config.target = target, config.adjust_samples = adjust_samples;
  return config;
}

TEST(AdaptiveProbability, MovesTowardsTheTargetBySamples) {
  AdaptiveProbability probability(config_of(0.25, 0.6, 1000));
  EXPECT_DOUBLE_EQ(probability.value(), 0.25);
  probability.update(0.61, 100);
  EXPECT_DOUBLE_EQ(probability.value(), 0.35);
  probability.update(1, 50);
  EXPECT_DOUBLE_EQ(probability.value(), 0.4);
  probability.update(-1, 200);
  EXPECT_DOUBLE_EQ(probability.value(), 0.2);
  probability.update(0.6, 200);
  EXPECT_DOUBLE_EQ(probability.value(), 0.2);
  probability.update(std::numeric_limits<double>::quiet_NaN(), 200);
  EXPECT_DOUBLE_EQ(probability.value(), 0.2);
}

TEST(AdaptiveProbability, StaysInItsRange) {
  AdaptiveProbability probability(config_of(0.7, 0.6, 1000));
  for (int i = 0; i < 5; ++i) probability.update(1, 300);
  EXPECT_EQ(probability.value(), 0.8);
  for (int i = 0; i < 5; ++i) probability.update(0, 300);
  EXPECT_EQ(probability.value(), 0);
  probability.update(1, 1);
  EXPECT_DOUBLE_EQ(probability.value(), 0.001);
}

TEST(AdaptiveProbability, AStateRestoresTheSameBits) {
  const GanAugmentConfig config = config_of(0, 0.6, 777);
  AdaptiveProbability first(config), second(config);
  for (int i = 0; i < 10; ++i) first.update(i % 4 == 0 ? 0.5 : 0.7, 13);
  EXPECT_GT(first.value(), 0);
  second.restore(nlohmann::json::parse(first.state().dump()));
  EXPECT_EQ(second.value(), first.value());
  first.update(0.9, 13);
  second.update(0.9, 13);
  EXPECT_EQ(second.value(), first.value());
}

std::string problem_of(const GanConfig& config) {
  std::string all;
  for (const FamilyRule& rule : config.rules()) all += rule.problem({});
  return all;
}

TEST(GanAugmentConfig, RefusesATargetBesideAScheduleOrAboveItsLimit) {
  GanConfig config;
  EXPECT_THAT(problem_of(config), IsEmpty());
  config.augment.schedule.curve = core::Curve::cosine;
  EXPECT_THAT(problem_of(config), IsEmpty());
  config.augment.target = 0.6;
  EXPECT_THAT(problem_of(config), HasSubstr("model.augment.schedule.curve to constant"));
  config.augment.schedule.curve = core::Curve::constant;
  EXPECT_THAT(problem_of(config), IsEmpty());
  config.augment.probability = 0.9;
  EXPECT_THAT(problem_of(config), HasSubstr("at most 0.8"));
}

TEST(GanAugmentConfig, TheScheduleLeadsFromTheFirstProbabilityToTheFinalOne) {
  GanAugmentConfig config;
  EXPECT_EQ(config.scheduled(1000), 0);
  config.final_probability = 0.5, config.schedule = {core::Curve::linear, 100};
  EXPECT_DOUBLE_EQ(config.scheduled(0), 0);
  EXPECT_DOUBLE_EQ(config.scheduled(50), 0.25);
  EXPECT_DOUBLE_EQ(config.scheduled(200), 0.5);
}

}  // namespace
}  // namespace ebb::models
