// SPDX-License-Identifier: Apache-2.0
// The search for the part of a loss whose gradient overflowed: its result, and that it leaves no trace.
#include "step/overflow.h"

#include <gmock/gmock.h>

#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "step/agreed_step_control.h"
#include "step/step.h"
#include "support/test_world.h"

namespace ebb::step {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kParts = 2, kElements = 4096;

// The gradients of the elements of both parameters, of each part.
struct Factors {
  float first_of_a = 1, second_of_a = 1, second_of_b = 1;
};

// A loss of two parts in fp16. The first one does not depend on the parameter b.
class TracedPhase final : public core::Phase {
 public:
  TracedPhase() {
    const memory::Tag tag(memory::Class::parameters, "traced");
    for (const char* name : {"net.a", "net.b"})
      unit_.parameters.push_back({name, at::zeros({kElements}, at::kHalf).requires_grad_(true), false, {}});
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] core::PhasePlan plan() const override {
    core::PhasePlan plan;
    plan.traces_overflows = true;
    return plan;
  }
  std::vector<core::Unit*> units() override { return {&unit_}; }
  core::Loss forward(const core::Batch& batch, core::UnitRunner&) override {
    const memory::Tag tag(memory::Class::activations, "traced");
    ++forwards;
    EXPECT_EQ(concluded, batch.step) << "the run is repeated after its conclusion";
    const Factors by = factors(batch);
    const at::Tensor a = parameters()[0].tensor.to(at::kFloat), b = parameters()[1].tensor.to(at::kFloat);
    core::Loss loss;
    loss.parts.emplace_back("first", a.sum() * by.first_of_a);
    if (!only_one_part)
      loss.parts.emplace_back("second", a.sum() * by.second_of_a + b.sum() * by.second_of_b);
    loss.loss =
        only_one_part ? loss.parts[0].second + b.sum() * 0 : loss.parts[0].second + loss.parts[1].second;
    loss.terms.emplace_back("first",
                            (term_is_finite ? loss.parts[0].second : loss.parts[0].second / 0).detach());
    return loss;
  }
  core::PhaseConclusion conclude(const core::PhaseOutcome&) override {
    ++concluded;
    return {};
  }
  [[nodiscard]] const std::vector<core::Parameter>& parameters() const { return unit_.parameters; }

  std::function<Factors(const core::Batch&)> factors;
  bool only_one_part = false, term_is_finite = true;
  std::int64_t forwards = 0, concluded = 0;

 private:
  std::string name_ = "net";
  core::Unit unit_{"net", {}};
};

// Takes the means for the search away.
class BlindStepControl final : public StepControl {
 public:
  explicit BlindStepControl(StepControl& control) : control_(control) {}
  Decision decide(const DecisionInput& input, numerics::LossScaler& scaler, PhaseReport& report) override {
    DecisionInput blind = input;
    blind.gradients_of_part = {};
    return control_.decide(blind, scaler, report);
  }

 private:
  StepControl& control_;
};

class OverflowTest : public testing::Test {
 protected:
  static bool is_last_rank() { return test::test_world().rank() + 1 == test::test_world().size(); }

  // One run from its start. `micro_batches`: of a step.
  struct Run {
    Run(std::int64_t micro_batches, bool traces, numerics::LossScaleConfig scale = {.initial = 1}) {
      TraineePlan settings;
      settings.optimizer.lr = 0.1;
      settings.optimizer.schedule = {.kind = optim::ScheduleKind::linear, .warmup_steps = 0};
      settings.scaler = numerics::LossScaler(scale);
      settings.micro_batches = micro_batches;
      settings.steps = 11;
      trainee.emplace("", phase.parameters(), settings, *communicator);
      StepSources sources;
      sources.next_batch = [this, micro_batches] {
        const memory::Tag tag(memory::Class::data, "batch");
        core::Batch batch;
        batch.position = batches++;
        batch.step = batch.position / micro_batches;
        batch.fields = {{"x", at::zeros({100})}};
        return batch;
      };
      sources.to_device = [](const core::Batch& batch) { return batch; };
      sources.micro_batches = micro_batches;
      StepControl& chosen = traces ? static_cast<StepControl&>(control) : blind;
      step.emplace(std::vector<BoundPhase>{{phase, *trainee}}, sources, chosen, runner, test::test_ledger(),
                   gate);
    }
    std::unique_ptr<comm::Communicator> communicator =
        comm::make_communicator(test::test_world(), comm::Backend::automatic, 60, at::kCPU);
    TracedPhase phase;
    std::optional<Trainee> trainee;
    AgreedStepControl control{*communicator, [] { return false; }};
    BlindStepControl blind{control};
    core::PlainRunner runner;
    memory::LeakGate gate{test::test_ledger(), memory::LeakPolicy::error};
    std::int64_t batches = 0;
    std::optional<Step> step;
  };

  // The report of a step with these gradients in the last micro-batch of the last rank, and 1 elsewhere.
  static PhaseReport report_of(const Factors& last, std::int64_t micro_batches = 2) {
    Run run(micro_batches, true);
    run.phase.factors = [&](const core::Batch& batch) {
      return is_last_rank() && batch.position + 1 == micro_batches ? last : Factors{};
    };
    return run.step->run(0).phase_runs.front();
  }
};

constexpr float kTooLarge = 1e5;  // for fp16

TEST_F(OverflowTest, NamesThePartsWithAGradientThatIsNotFinite) {
  for (const std::int64_t micro_batches : {1, 2}) {
    PhaseReport report = report_of({.first_of_a = kTooLarge}, micro_batches);
    EXPECT_TRUE(report.skipped);
    EXPECT_EQ(report.overflowed, "net.a");
    EXPECT_THAT(report.overflowed_by, ElementsAre("first"));
    EXPECT_EQ(report.overflowed_term, "");
    EXPECT_THAT(report_of({.second_of_a = kTooLarge}, micro_batches).overflowed_by, ElementsAre("second"));
    EXPECT_THAT(report_of({.first_of_a = kTooLarge, .second_of_a = kTooLarge}, micro_batches).overflowed_by,
                ElementsAre("first", "second"));
    report = report_of({.second_of_b = kTooLarge}, micro_batches);
    EXPECT_EQ(report.overflowed, "net.b");
    EXPECT_THAT(report.overflowed_by, ElementsAre("second")) << "the first part has no gradient of it";
  }
}

TEST_F(OverflowTest, SaysThatOnlyTheSumOfFinitePartsOverflowed) {
  EXPECT_THAT(report_of({.first_of_a = 4e4F, .second_of_a = 4e4F}).overflowed_by, ElementsAre(kOnlySum));
}

// With one micro-batch the ranks add their gradients in fp16.
TEST_F(OverflowTest, TheSumOverRanksCountsToo) {
  Run run(1, true);
  run.phase.factors = [](const core::Batch&) { return Factors{.first_of_a = 4e4F}; };
  const PhaseReport report = run.step->run(0).phase_runs.front();
  if (test::test_world().size() == 1)
    EXPECT_THAT(report.overflowed_by, IsEmpty());
  else
    EXPECT_THAT(report.overflowed_by, ElementsAre("first"));
}

TEST_F(OverflowTest, RepeatsTheRunOnlyIfItTellsMore) {
  const auto forwards = [](bool only_one_part, bool term_is_finite, float gradient) {
    Run run(2, true);
    run.phase.only_one_part = only_one_part;
    run.phase.term_is_finite = term_is_finite;
    run.phase.factors = [&](const core::Batch&) { return Factors{.first_of_a = gradient}; };
    const PhaseReport report = run.step->run(0).phase_runs.front();
    EXPECT_EQ(report.overflowed_by.empty(), gradient == 1 || !term_is_finite);
    return run.phase.forwards;
  };
  EXPECT_EQ(forwards(false, true, kTooLarge), 2 * (1 + kParts));
  EXPECT_EQ(forwards(false, true, 1), 2) << "nothing overflowed";
  EXPECT_EQ(forwards(true, true, kTooLarge), 2) << "the only part is the cause";
  EXPECT_EQ(forwards(false, false, kTooLarge), 2) << "the term itself is the cause";
}

TEST_F(OverflowTest, LaterStepsHaveTheBitsOfARunWithoutIt) {
  struct Outcome {
    at::Tensor a, b;
    nlohmann::json scaler;
    std::int64_t batches, peak, skipped;
  };
  const auto outcome = [](bool traces) {
    constexpr auto kHost = memory::Ledger::Location::host;
    const std::int64_t before = test::test_ledger().live_total(kHost);
    Run run(2, traces, {.initial = 1024, .hysteresis = 0});
    run.phase.factors = [](const core::Batch& batch) {
      return Factors{.first_of_a = batch.step == 2 ? 100.0F : 0.1F * static_cast<float>(batch.step),
                     .second_of_b = static_cast<float>(test::test_world().rank() + 1)};
    };
    std::int64_t peak = 0, skipped = 0;
    for (std::int64_t step = 0; step < 6; ++step) {
      const StepReport report = run.step->run(step);  // the leak gate compares the bytes after each step
      peak = std::max(peak, test::test_ledger().peak_total(kHost) - before);
      if (report.applied()) continue;
      ++skipped;
      EXPECT_EQ(step, 2);
      EXPECT_EQ(report.phase_runs[0].overflowed_by.empty(), !traces);
    }
    return Outcome{run.phase.parameters()[0].tensor.detach().clone(),
                   run.phase.parameters()[1].tensor.detach().clone(),
                   run.trainee->scaler().state(),
                   run.batches,
                   peak,
                   skipped};
  };
  const Outcome with = outcome(true), without = outcome(false);
  EXPECT_EQ(with.skipped, 1);
  EXPECT_TRUE(at::equal(with.a, without.a));
  EXPECT_TRUE(at::equal(with.b, without.b));
  EXPECT_NE(with.a[0].item<float>(), 0);
  EXPECT_EQ(with.scaler, without.scaler);
  EXPECT_EQ(with.scaler.at("scale"), 512);
  EXPECT_EQ(with.batches, without.batches);
  EXPECT_EQ(with.peak, without.peak);
}

TEST_F(OverflowTest, TheEndOfARunNamesItsLastOne) {
  Run run(1, true, {.initial = 1, .floor = 1, .hysteresis = 0});
  run.phase.factors = [](const core::Batch&) { return Factors{.second_of_b = kTooLarge}; };
  try {
    run.step->run(0);
    FAIL() << "the scale is below its floor";
  } catch (const DivergenceError& error) {
    EXPECT_THAT(error.what(), HasSubstr("The last overflow is that of the gradient of the term second with "
                                        "respect to net.b (phase net)"));
  }
}

TEST(OverflowedValues, NameWhatWasNotFinite) {
  PhaseReport run;
  run.overflowed = "w";
  EXPECT_EQ(overflowed_values(run), "the gradient of w");
  run.overflowed_by = {"loss"};
  EXPECT_EQ(overflowed_values(run), "the gradient of the loss with respect to w");
  run.overflowed_by = {"r1"};
  EXPECT_EQ(overflowed_values(run), "the gradient of the term r1 with respect to w");
  run.overflowed_by = {"r1", "r2"};
  EXPECT_EQ(overflowed_values(run), "the gradients of the terms r1 and r2 with respect to w");
  run.overflowed_by = {"adversarial", "r1", "r2"};
  EXPECT_EQ(overflowed_values(run), "the gradients of the terms adversarial, r1 and r2 with respect to w");
  run.overflowed_by = {kOnlySum};
  EXPECT_EQ(overflowed_values(run), "the sum of the gradients of all terms with respect to w");
  run.overflowed_by.clear();
  run.overflowed_term = "r1";
  EXPECT_EQ(overflowed_values(run), "the term r1 and the gradient of w");
}

}  // namespace
}  // namespace ebb::step
