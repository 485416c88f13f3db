// SPDX-License-Identifier: Apache-2.0
// One step of one phase under a script of decisions.
#include "step/sum_phases.h"

namespace ebb::step {
namespace {

TEST_F(StepTest, TakesAStepThatIsAccepted) {
  make({Line::accept, Line::accept});
  const StepReport report = step->run(0);
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(control->gradients_seen, 1U);
  EXPECT_TRUE(report.applied());
  EXPECT_FALSE(report.stop);
  EXPECT_NEAR(weight(), -0.1F, 1e-5F);
  EXPECT_DOUBLE_EQ(step->run(1).phase_runs[0].learning_rate, 0.09);
  EXPECT_EQ(trainees[0]->optimizer().steps_taken(), 2);
}

TEST_F(StepTest, LeavesTheWeightsOfASkippedStepAlone) {
  make({Line::skip, Line::accept});
  EXPECT_FALSE(step->run(0).applied());
  EXPECT_EQ(weight(), 0);
  EXPECT_EQ(trainees[0]->optimizer().steps_taken(), 0);
  EXPECT_TRUE(step->run(1).applied());
  EXPECT_LT(weight(), 0);
}

TEST_F(StepTest, SaysThatTheRunStops) {
  make({Line::accept, Line::stop});
  EXPECT_FALSE(step->run(0).stop);
  EXPECT_TRUE(step->run(1).stop);
  EXPECT_EQ(trainees[0]->optimizer().steps_taken(), 2);
}

TEST_F(StepTest, HoldsNothingWhenItIsOver) {
  make({Line::accept, Line::skip, Line::accept});
  step->run(0);
  const std::int64_t after_first = live();
  step->run(1);
  step->run(2);
  EXPECT_EQ(live(), after_first);
}

TEST_F(StepTest, AddsTheGradientOfALossThatForwardDifferentiatesItself) {
  numerics::LossScaleConfig config;
  config.initial = 8;
  scaler = numerics::LossScaler(config);
  gradients_per_backward = 2;
  make({Line::accept, Line::accept});
  phases[0]->penalty = 2;
  const double expected = 8.0 * (1 + 2) * kMicroBatches * test::test_world().size();
  int decisions = 0;
  control->inspect = [&](const DecisionInput& input) {
    ++decisions;
    EXPECT_TRUE(at::equal(input.gradients[0], at::full({6}, expected))) << input.gradients[0];
  };
  for (int i = 0; i < 2; ++i) step->run(i);
  EXPECT_EQ(decisions, 2);
}

// Tensors without values: any read would throw.
TEST_F(StepTest, ReadsNoTensorsValueOutsideItsControl) {
  make({Line::accept, Line::skip}, at::kMeta);
  EXPECT_TRUE(step->run(0).applied());
  EXPECT_FALSE(step->run(1).applied());
  EXPECT_EQ(trainees[0]->optimizer().steps_taken(), 1);
}

}  // namespace
}  // namespace ebb::step
