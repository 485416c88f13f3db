// SPDX-License-Identifier: Apache-2.0
#include "step/agreed_step_control.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "base/error.h"
#include "support/test_world.h"

namespace ebb::step {
namespace {

// Keeps the outcomes that it is told, and answers with `conclusion`.
class ListeningPhase final : public core::Phase {
 public:
  [[nodiscard]] const std::string& name() const override { return name_; }
  std::vector<core::Unit*> units() override { return {}; }
  core::Loss forward(const core::Batch&, core::UnitRunner&) override { return {}; }
  core::PhaseConclusion conclude(const core::PhaseOutcome& outcome) override {
    loss = outcome.loss;
    finite_gradients = outcome.finite_gradients;
    sums.assign(outcome.sums.begin(), outcome.sums.end());
    return conclusion;
  }
  double loss = 0;
  bool finite_gradients = true;
  std::vector<double> sums;
  core::PhaseConclusion conclusion;

 private:
  const std::string name_ = "listening";
};

class AgreedStepControlTest : public testing::Test {
 protected:
  AgreedStepControlTest()
      : communicator(comm::make_communicator(test::test_world(), comm::Backend::automatic, 60, at::kCPU)) {
    core::Loss loss;
    loss.loss = at::scalar_tensor(2.0F * static_cast<float>(test::test_world().rank() + 1));
    loss.terms = {{"reconstruction", at::scalar_tensor(1.5F)}, {"kl", at::scalar_tensor(0.5F)}};
    losses.add(loss);
    losses.add(loss);
    for (const char* name : {"first", "second"}) parameters.push_back({name, at::zeros({2}), true, {}});
  }
  Decision decide(StepControl& control, numerics::LossScaler& scaler) {
    report = {};
    return control.decide({phase, losses, gradients, parameters, seconds}, scaler, report);
  }

  std::unique_ptr<comm::Communicator> communicator;
  ListeningPhase phase;
  LossSums losses;
  std::vector<core::Parameter> parameters;
  std::vector<at::Tensor> gradients{at::tensor({3.0F, 0.0F}), at::tensor({0.0F, 4.0F})};
  memory::StageSeconds seconds{};
  PhaseReport report;
};

TEST_F(AgreedStepControlTest, LossesAreSummedOverMicroBatchesAndRanks) {
  AgreedStepControl control(*communicator, [] { return false; });
  auto scaler = numerics::LossScaler::fixed();
  const Decision decision = decide(control, scaler);
  const double ranks = test::test_world().size();
  EXPECT_DOUBLE_EQ(report.loss, 2 * 2.0 * ranks * (ranks + 1) / 2);
  ASSERT_EQ(report.terms.size(), 2U);
  EXPECT_EQ(report.terms[1].first, "kl");
  EXPECT_DOUBLE_EQ(report.terms[1].second, 2 * 0.5 * ranks);
  EXPECT_TRUE(decision.apply);
  EXPECT_FALSE(decision.stop);
}

TEST_F(AgreedStepControlTest, NormIsReportedWithoutTheLossScale) {
  AgreedStepControl control(*communicator, [] { return false; });
  numerics::LossScaleConfig config;
  config.initial = 4;
  numerics::LossScaler scaler(config);
  decide(control, scaler);
  EXPECT_DOUBLE_EQ(report.gradient_norm, 5.0 / 4);
  EXPECT_DOUBLE_EQ(report.scale, 4.0);
}

TEST_F(AgreedStepControlTest, AnOverflowSkipsTheStepAndNamesTheParameter) {
  AgreedStepControl control(*communicator, [] { return false; });
  numerics::LossScaler scaler(numerics::LossScaleConfig{});
  gradients[1][0] = std::numeric_limits<float>::infinity();
  const Decision decision = decide(control, scaler);
  EXPECT_FALSE(decision.apply);
  EXPECT_TRUE(report.skipped);
  EXPECT_EQ(report.overflowed, "second");
}

TEST_F(AgreedStepControlTest, AnInfiniteTermSkipsTheStepAlthoughTheGradientsAreFinite) {
  AgreedStepControl control(*communicator, [] { return false; });
  auto scaler = numerics::LossScaler::fixed();
  core::Loss loss{at::scalar_tensor(1.0F),
                  {{"reconstruction", at::scalar_tensor(1.0F)},
                   {"kl", at::scalar_tensor(std::numeric_limits<float>::infinity())}}};
  losses.add(loss);
  EXPECT_FALSE(decide(control, scaler).apply);
  EXPECT_EQ(report.overflowed_term, "kl");
  EXPECT_EQ(report.overflowed, "");
  EXPECT_TRUE(phase.finite_gradients);
}

TEST_F(AgreedStepControlTest, ThePhaseGetsItsSumsOverAllRanksAndItsFiguresAreReported) {
  AgreedStepControl control(*communicator, [] { return false; });
  auto scaler = numerics::LossScaler::fixed();
  core::Loss loss{at::scalar_tensor(1.0F), {}};
  loss.sums = at::tensor({1.0F, 2.0F});
  losses = {};
  losses.add(loss);
  losses.add(loss);
  phase.conclusion.figures = {{"spread", 0.5}};
  decide(control, scaler);
  const double ranks = test::test_world().size();
  EXPECT_EQ(phase.sums, (std::vector<double>{2 * ranks, 4 * ranks}));
  ASSERT_EQ(report.terms.size(), 1U);
  EXPECT_EQ(report.terms[0].first, "spread");
}

TEST_F(AgreedStepControlTest, AScaleOfThePhaseThatOverflowedLeavesTheLossScale) {
  AgreedStepControl control(*communicator, [] { return false; });
  numerics::LossScaleConfig config;
  config.hysteresis = 0;
  numerics::LossScaler scaler(config);
  gradients[1][0] = std::numeric_limits<float>::infinity();
  phase.conclusion.overflowed_scale = "inner scale 8";
  phase.conclusion.warning = "the loss grows";
  EXPECT_FALSE(decide(control, scaler).apply);
  EXPECT_EQ(scaler.scale(), config.initial);
  EXPECT_EQ(report.overflowed_scale, "inner scale 8");
  EXPECT_EQ(report.warning, "the loss grows");
  EXPECT_FALSE(phase.finite_gradients);
  EXPECT_DOUBLE_EQ(phase.loss, report.loss);
  phase.conclusion = {};
  EXPECT_FALSE(decide(control, scaler).apply);
  EXPECT_EQ(scaler.scale(), config.initial / 2);
}

TEST_F(AgreedStepControlTest, OneRanksStopRequestStopsAll) {
  AgreedStepControl control(*communicator,
                            [] { return test::test_world().rank() == test::test_world().size() - 1; });
  auto scaler = numerics::LossScaler::fixed();
  EXPECT_TRUE(decide(control, scaler).stop);
}

TEST_F(AgreedStepControlTest, EveryRankLearnsTheTimesOfAll) {
  AgreedStepControl control(*communicator, [] { return false; });
  auto scaler = numerics::LossScaler::fixed();
  for (std::size_t stage = 0; stage < seconds.size(); ++stage)
    seconds[stage] = 100.0 * test::test_world().rank() + static_cast<double>(stage);
  decide(control, scaler);
  ASSERT_EQ(report.rank_seconds.size(), static_cast<std::size_t>(test::test_world().size()));
  for (int rank = 0; rank < test::test_world().size(); ++rank)
    for (std::size_t stage = 0; stage < seconds.size(); ++stage)
      EXPECT_EQ(report.rank_seconds[static_cast<std::size_t>(rank)][stage],
                100.0 * rank + static_cast<double>(stage));
}

TEST_F(AgreedStepControlTest, AScaleBelowItsFloorEndsTheRun) {
  AgreedStepControl control(*communicator, [] { return false; });
  numerics::LossScaleConfig config;
  config.initial = config.floor;
  config.hysteresis = 1;
  numerics::LossScaler scaler(config);
  gradients[0][0] = std::nanf("");
  try {
    for (int i = 0; i < 4; ++i) decide(control, scaler);
    FAIL() << "the scale stayed at " << scaler.scale();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::numerics);
  }
}

}  // namespace
}  // namespace ebb::step
