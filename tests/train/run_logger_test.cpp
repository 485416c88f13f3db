// SPDX-License-Identifier: Apache-2.0
#include "train/run_logger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ebb::train {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

step::PhaseReport run_of(const std::string& phase, double scale, const std::string& overflowed = "") {
  step::PhaseReport run;
  run.phase = phase;
  run.scale = scale;
  run.skipped = !overflowed.empty();
  run.overflowed = overflowed;
  return run;
}

step::StepReport report_of(std::vector<step::PhaseReport> runs) {
  step::StepReport report;
  report.step = 3;
  report.phase_runs = std::move(runs);
  return report;
}

TEST(PhaseMetrics, HaveTheScaleOfTheLastRun) {
  const auto phases =
      phase_metrics(report_of({run_of("critic", 8), run_of("critic", 16), run_of("painter", 4)}));
  ASSERT_EQ(phases.size(), 2U);
  EXPECT_EQ(phases[0].scale, 16);
  EXPECT_EQ(phases[0].runs, 2);
  EXPECT_EQ(phases[0].skipped_runs, 0);
  EXPECT_EQ(phases[1].scale, 4);
}

TEST(PhaseMetrics, HaveTheScaleAndParameterOfTheLastSkippedRun) {
  const auto phases = phase_metrics(report_of(
      {run_of("critic", 16, "w"), run_of("critic", 8, "u"), run_of("critic", 4), run_of("painter", 2)}));
  ASSERT_EQ(phases.size(), 2U);
  EXPECT_EQ(phases[0].scale, 8);
  EXPECT_EQ(phases[0].overflowed, "u");
  EXPECT_EQ(phases[0].runs, 3);
  EXPECT_EQ(phases[0].skipped_runs, 2);
  EXPECT_EQ(phases[1].scale, 2);
  EXPECT_EQ(phases[1].overflowed, "");
}

TEST(SkipNotes, AStepThatWasTakenHasNone) {
  EXPECT_THAT(skip_notes(report_of({run_of("vae", 8)})), IsEmpty());
}

TEST(SkipNotes, OnePhaseIsNotNamed) {
  EXPECT_THAT(skip_notes(report_of({run_of("vae", 8, "w")})),
              ElementsAre("step 3 skipped: the gradient of w overflowed at loss scale 8"));
}

TEST(SkipNotes, ATermAndTheScaleOfThePhaseAreNamed) {
  step::PhaseReport run = run_of("critic", 8, "w");
  run.overflowed_term = "r1";
  run.overflowed_scale = "inner gradient scale 1024";
  EXPECT_THAT(
      skip_notes(report_of({run})),
      ElementsAre(
          "step 3 skipped: the term r1 and the gradient of w overflowed at inner gradient scale 1024"));
  const auto phases = phase_metrics(report_of({run}));
  EXPECT_EQ(phases[0].overflowed_term, "r1");
  run.overflowed = "";
  run.overflowed_term = "loss";
  run.overflowed_scale = "";
  EXPECT_THAT(skip_notes(report_of({run})),
              ElementsAre("step 3 skipped: the loss overflowed at loss scale 8"));
}

TEST(SkipNotes, TheTermsOfAnOverflowedGradientAreNamed) {
  step::PhaseReport run = run_of("critic", 8, "w");
  run.overflowed_by = {"r1", "r2"};
  EXPECT_THAT(skip_notes(report_of({run, run_of("generator", 4)})),
              ElementsAre("step 3 of critic skipped: the gradients of the terms r1 and r2 with respect to w "
                          "overflowed at loss scale 8"));
  EXPECT_THAT(phase_metrics(report_of({run}))[0].overflowed_by, ElementsAre("r1", "r2"));
}

TEST(SkipNotes, TheScaleIsThatOfTheRunThatOverflowed) {
  EXPECT_THAT(skip_notes(report_of({run_of("critic", 8, "w"), run_of("critic", 4), run_of("generator", 2)})),
              ElementsAre("step 3 of critic skipped: the gradient of w overflowed at loss scale 8"));
}

TEST(SkipNotes, EachPhaseHasTheLineOfItsLastSkippedRun) {
  EXPECT_THAT(skip_notes(report_of(
                  {run_of("critic", 8, "w"), run_of("critic", 4, "u"), run_of("generator", 2, "g")})),
              ElementsAre("step 3 of critic skipped: the gradient of u overflowed at loss scale 4",
                          "step 3 of generator skipped: the gradient of g overflowed at loss scale 2"));
}

}  // namespace
}  // namespace ebb::train
