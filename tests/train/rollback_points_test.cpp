// SPDX-License-Identifier: Apache-2.0
#include "train/rollback_points.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <initializer_list>
#include <string>

namespace ebb::train {
namespace {

const DivergenceError kError("the run has diverged");

checkpoint::CheckpointFolder at_step(std::int64_t step) {
  return {"step-" + std::to_string(step), step};
}

RollbackPoints with(std::initializer_list<std::int64_t> steps, std::int64_t keep = 10) {
  RollbackPoints points(keep);
  for (const std::int64_t step : steps) points.add(at_step(step));
  return points;
}

std::string message_of(RollbackPoints& points, std::int64_t begun) {
  try {
    points.go_back(kError, begun, 0);
  } catch (const DivergenceError& error) {
    return error.what();
  }
  return "no error";
}

TEST(RollbackPoints, WithoutADelayItIsTheNewest) {
  RollbackPoints points = with({100, 200, 300});
  EXPECT_EQ(points.go_back(kError, 301, 0).step, 300);
}

TEST(RollbackPoints, ACheckpointOfTheStepThatDivergedHasTheSameWeights) {
  RollbackPoints points = with({100, 200, 300});
  EXPECT_EQ(points.go_back(kError, 300, 0).step, 200);
  RollbackPoints one = with({300});
  EXPECT_THAT(message_of(one, 300), testing::HasSubstr("the only checkpoint, of step 300, has the same"));
}

TEST(RollbackPoints, WithADelayItIsTheNewestFromBeforeIt) {
  RollbackPoints exact = with({100, 200, 300, 400});
  EXPECT_EQ(exact.go_back(kError, 450, 250).step, 200);
  RollbackPoints before = with({100, 200, 300, 400});
  EXPECT_EQ(before.go_back(kError, 449, 250).step, 100);
  // The later ones are no longer there.
  EXPECT_EQ(before.go_back(kError, 449, 0).step, 100);
}

TEST(RollbackPoints, IfNoneIsSoOldItIsTheOldestThatTheStoreRetains) {
  RollbackPoints points = with({100, 200, 300, 400}, 3);
  EXPECT_EQ(points.go_back(kError, 450, 350).step, 200);
}

TEST(RollbackPoints, WithoutACheckpointThereIsNowhereToGo) {
  RollbackPoints points(3);
  EXPECT_EQ(message_of(points, 10), "the run has diverged\n  there is no checkpoint to go back to");
}

// A sign takes hundreds of steps, so the run saves again on the way to the step of the failure.
TEST(RollbackPoints, SavesBeforeTheStepOfTheFailureAreNoProgress) {
  RollbackPoints points = with({100, 200});
  for (int i = 0; i < RollbackPoints::kMaxRollbacks; ++i) {
    EXPECT_EQ(points.go_back(kError, 250, 100).step, 100);
    points.add(at_step(200));
  }
  EXPECT_THAT(message_of(points, 240), testing::HasSubstr("3 times, each time with other samples, and has "
                                                          "not come past step 250"));
  points.add(at_step(250));
  EXPECT_EQ(points.go_back(kError, 260, 0).step, 250);
}

}  // namespace
}  // namespace ebb::train
