// SPDX-License-Identifier: Apache-2.0
// Steps of two phases: the parameters and data of each phase, and the effect of one phase's decision on the
// other.
#include <gmock/gmock.h>

#include <map>

#include "base/error.h"
#include "step/sum_phases.h"

namespace ebb::step {
namespace {

using testing::ElementsAre;

core::PhasePlan plan(const std::string& trainee, core::BatchChoice batch = core::BatchChoice::next,
                     std::int64_t repeats = 1) {
  core::PhasePlan plan;
  plan.trainee = trainee;
  plan.batch = batch;
  plan.repeats = repeats;
  return plan;
}

using PhasesTest = StepTest;

TEST_F(PhasesTest, ASkippedPhaseDoesNotStopTheNextOne) {
  make({Line::skip, Line::accept}, {{"first", plan("a")}, {"second", plan("b")}});
  const StepReport report = step->run(0);
  EXPECT_FALSE(report.applied());
  ASSERT_EQ(report.phase_runs.size(), 2U);
  EXPECT_TRUE(report.phase_runs[0].skipped);
  EXPECT_FALSE(report.phase_runs[1].skipped);
  EXPECT_EQ(weight(0), 0);
  EXPECT_NEAR(weight(1), -0.1F, 1e-5F);
}

TEST_F(PhasesTest, SchedulesFollowTheGlobalStepWhateverWasSkipped) {
  make({Line::skip, Line::accept, Line::accept, Line::accept}, {{"first", plan("a")}, {"second", plan("b")}});
  step->run(0);
  const StepReport report = step->run(1);
  EXPECT_DOUBLE_EQ(report.phase_runs[0].learning_rate, 0.09);
  EXPECT_DOUBLE_EQ(report.phase_runs[1].learning_rate, 0.09);
  EXPECT_EQ(trainees[0]->optimizer().steps_taken(), 1);
  EXPECT_EQ(trainees[1]->optimizer().steps_taken(), 2);
}

TEST_F(PhasesTest, AStopOfAnyPhaseStopsTheRun) {
  make({Line::stop, Line::accept}, {{"first", plan("a")}, {"second", plan("b")}});
  EXPECT_TRUE(step->run(0).stop);
  EXPECT_LT(weight(1), 0) << "the step is complete first";
}

TEST_F(PhasesTest, EachPhaseHasItsOwnBatch) {
  make({Line::accept, Line::accept}, {{"first", plan("a")}, {"second", plan("b")}});
  step->run(0);
  EXPECT_THAT(phases[0]->positions, ElementsAre(0, 1));
  EXPECT_THAT(phases[1]->positions, ElementsAre(2, 3));
  EXPECT_EQ(batches_per_step({phases[0].get(), phases[1].get()}), 2);
  EXPECT_FALSE(keeps_batches({phases[0].get(), phases[1].get()}));
}

TEST_F(PhasesTest, APhaseReusesTheLastBatchOfThePhaseBeforeIt) {
  const int runs = 3;
  make(std::deque<Line>(2 * runs, Line::accept),
       {{"first", plan("a", core::BatchChoice::next, 2)}, {"second", plan("b", core::BatchChoice::same)}});
  step->run(0);
  EXPECT_THAT(phases[0]->positions, ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(phases[1]->positions, ElementsAre(2, 3));
  step->run(1);
  EXPECT_THAT(phases[1]->positions, ElementsAre(2, 3, 6, 7));
  EXPECT_EQ(batches_per_step({phases[0].get(), phases[1].get()}), 2);
  EXPECT_TRUE(keeps_batches({phases[0].get(), phases[1].get()}));
}

TEST_F(PhasesTest, ABatchIsReusedByAnyNumberOfRuns) {
  make(std::deque<Line>(4, Line::accept), {{"first", plan("a")},
                                           {"second", plan("b", core::BatchChoice::same, 2)},
                                           {"third", plan("c", core::BatchChoice::same)}});
  EXPECT_EQ(step->run(0).phase_runs.size(), 4U);
  EXPECT_THAT(phases[1]->positions, ElementsAre(0, 1, 0, 1));
  EXPECT_THAT(phases[2]->positions, ElementsAre(0, 1));
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(trainees[1]->optimizer().steps_taken(), 2);
}

TEST_F(PhasesTest, TheFirstPhaseHasNoBatchToReuse) {
  SumPhase phase("alone", plan("a", core::BatchChoice::same), at::kCPU);
  EXPECT_THROW(batches_per_step({&phase}), Error);
}

// The second phase reads the first one's weights. Without freezing, backward would make gradients for them.
TEST_F(PhasesTest, NoGradientOfAnotherTraineeIsMadeOrKept) {
  make(std::deque<Line>(4, Line::accept), {{"first", plan("a")}, {"second", plan("b")}});
  phases[1]->other = phases[0].get();
  std::int64_t gradients_alive = -1;
  phases[1]->before_backward = [&] {
    EXPECT_FALSE(phases[0]->weight().requires_grad());
    EXPECT_FALSE(phases[0]->weight().grad().defined());
    const memory::Sums sums = test::test_ledger().live(memory::Ledger::Location::host);
    if (gradients_alive < 0) gradients_alive = sums[static_cast<std::size_t>(memory::Class::gradients)];
  };
  for (int i = 0; i < 2; ++i) step->run(i);
  EXPECT_EQ(gradients_alive, 0) << "of the first phase";
  // Only the second trainee's bucket: 6 elements of fp32, since there are micro-batches.
  std::int64_t peak = -1;
  for (const memory::PhasePeak& phase : test::test_ledger().phase_peaks(memory::Ledger::Location::host))
    if (phase.phase == "second") peak = phase.peak[static_cast<std::size_t>(memory::Class::gradients)];
  EXPECT_EQ(peak, 6 * 4);
  EXPECT_TRUE(phases[0]->weight().requires_grad());
  EXPECT_NEAR(weight(0), weight(1), 1e-6F) << "each is trained by its own phase alone";
}

TEST_F(PhasesTest, OwnersAndPartsBeginWithTheTraineesName) {
  make(std::deque<Line>{}, {{"first", plan("a")}, {"second", plan("b")}});
  std::map<std::string, core::Stateful*> parts = trainees[0]->parts();
  parts.merge(trainees[1]->parts());
  std::vector<std::string> names;
  for (const auto& [name, part] : parts) names.push_back(name);
  EXPECT_THAT(names, ElementsAre("a.optimizer", "a.scaler", "b.optimizer", "b.scaler"));
  std::vector<std::string> owners;
  for (const memory::OwnerBytes& line : test::test_ledger().owners(memory::Ledger::Location::host))
    owners.push_back(line.owner);
  EXPECT_THAT(owners, testing::IsSupersetOf({"a.optimizer.m", "b.optimizer.v"}));
}

TEST_F(PhasesTest, ATraineeWithoutANameHasThePlainParts) {
  make(std::deque<Line>{});
  EXPECT_TRUE(trainees[0]->parts().contains("optimizer"));
  EXPECT_TRUE(trainees[0]->parts().contains("scaler"));
}

TEST_F(PhasesTest, OnePhaseHasNoPeaksOfItsOwn) {
  make({Line::accept});
  step->run(0);
  EXPECT_TRUE(test::test_ledger().phase_peaks(memory::Ledger::Location::host).empty());
}

}  // namespace
}  // namespace ebb::step
