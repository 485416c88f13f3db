// SPDX-License-Identifier: Apache-2.0
// Overflows of a GAN's gradients in fp16: the report names network, term and parameter, and later steps have
// the bits of a run without it.
#include <fmt/format.h>
#include <gmock/gmock.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "models/gan_under_test.h"
#include "step/agreed_step_control.h"
#include "step/step.h"
#include "support/test_world.h"
#include "train/run_logger.h"

namespace ebb::train {
namespace {

using models::GanArchitecture;
using models::GanConfig;
using models::testing::kSide;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::int64_t kBatch = 8, kMicroBatches = 2;

// Makes no search: it takes the means away.
class BlindControl final : public step::StepControl {
 public:
  explicit BlindControl(step::StepControl& control) : control_(control) {}
  step::Decision decide(const step::DecisionInput& input, numerics::LossScaler& scaler,
                        step::PhaseReport& report) override {
    step::DecisionInput blind = input;
    blind.gradients_of_part = {};
    return control_.decide(blind, scaler, report);
  }

 private:
  step::StepControl& control_;
};

// A run of both phases from its start, in fp16, on all ranks.
class GanRun {
 public:
  GanRun(const GanConfig& config, const numerics::LossScaleConfig& scale, bool traces = true)
      : config_(config), model_(models::testing::make(config, numerics::Dtype::fp16)) {
    std::vector<step::BoundPhase> bound;
    for (core::Phase* phase : model_->phases()) {
      step::TraineePlan plan;
      plan.optimizer.lr = 1e-3;
      plan.scaler = numerics::LossScaler(scale);
      plan.micro_batches = kMicroBatches;
      plan.steps = 100;
      std::vector<core::Parameter> parameters;
      for (core::Unit* unit : phase->units())
        parameters.insert(parameters.end(), unit->parameters.begin(), unit->parameters.end());
      bound.push_back({*phase, trainees_.emplace_back(phase->name(), parameters, plan, *communicator_)});
    }
    step::StepSources sources;
    sources.next_batch = [this] { return next_batch(); };
    sources.to_device = [](const core::Batch& batch) { return batch; };
    sources.micro_batches = kMicroBatches;
    step::StepControl& chosen = traces ? static_cast<step::StepControl&>(control_) : blind_;
    step_ = std::make_unique<step::Step>(bound, sources, chosen, runner_, test::test_ledger(), gate_);
  }
  step::StepReport step() { return step_->run(steps_++); }

  [[nodiscard]] nlohmann::json values() {
    nlohmann::json all = model_->state().values;
    for (step::Trainee& trainee : trainees_) all[trainee.name()] = trainee.scaler().state();
    return all;
  }
  [[nodiscard]] std::map<std::string, at::Tensor> tensors() {
    std::map<std::string, at::Tensor> all;
    for (const auto& [name, tensor] : model_->state().tensors) all[name] = tensor.detach().clone();
    return all;
  }

 private:
  // This rank's part of the next micro-batch. An image depends on its position alone.
  core::Batch next_batch() {
    const memory::Tag tag(memory::Class::data, "batch");
    const comm::World& world = test::test_world();
    const std::int64_t count = kBatch / kMicroBatches / world.size();
    core::Batch batch;
    batch.step = micro_batch_ / kMicroBatches;
    batch.global_batch = kBatch;
    batch.position = micro_batch_++ * (kBatch / kMicroBatches) + world.rank() * count;
    at::Tensor images = at::empty({count, 1, kSide, kSide}, at::kByte);
    for (std::int64_t i = 0; i < count; ++i) {
      at::manual_seed(static_cast<std::uint64_t>(batch.position + i));
      images[i].random_(0, 256);
    }
    batch.fields = {{std::string(core::kImageField), images}};
    return batch;
  }

  GanConfig config_;
  std::unique_ptr<models::Model> model_;
  std::unique_ptr<comm::Communicator> communicator_ =
      comm::make_communicator(test::test_world(), comm::Backend::automatic, 60, at::kCPU);
  std::deque<step::Trainee> trainees_;
  step::AgreedStepControl control_{*communicator_, [] { return false; }};
  BlindControl blind_{control_};
  core::PlainRunner runner_;
  memory::LeakGate gate_{test::test_ledger(), memory::LeakPolicy::error};
  std::unique_ptr<step::Step> step_;
  std::int64_t steps_ = 0, micro_batch_ = 0;
};

constexpr double kHuge = 1e9, kTiny = 1e-9;      // weights of penalties
constexpr double kModest = 1, kLarge = 1 << 24;  // loss scales

GanConfig with_weights(double r1, double r2, double gradient) {
  GanConfig config = models::testing::tiny(GanArchitecture::residual);
  config.penalty.r1 = r1, config.penalty.r2 = r2, config.penalty.gradient = gradient;
  return config;
}

// Runs a step, in which the discriminator's update must be skipped because of these terms alone.
void expect_terms(const GanConfig& config, double scale, const std::vector<std::string>& terms,
                  const std::string& text) {
  GanRun run(config, {.initial = scale, .ceiling = kLarge});
  const step::StepReport report = run.step();
  const step::PhaseReport& of_discriminator = report.phase_runs[0];
  ASSERT_TRUE(of_discriminator.skipped);
  EXPECT_EQ(of_discriminator.overflowed_term, "") << "no value overflows";
  EXPECT_EQ(of_discriminator.overflowed_scale, "");
  EXPECT_EQ(of_discriminator.overflowed_by, terms);
  EXPECT_THAT(of_discriminator.overflowed, StartsWith("discriminator."));
  EXPECT_EQ(phase_metrics(report)[0].phase, "discriminator");
  EXPECT_EQ(phase_metrics(report)[0].overflowed_by, terms);
  EXPECT_THAT(skip_notes(report),
              Contains("step 0 of discriminator skipped: the " + text + " with respect to " +
                       of_discriminator.overflowed + fmt::format(" overflowed at loss scale {:g}", scale)));
}

TEST(GanOverflow, NamesTheTermThatMadeIt) {
  expect_terms(with_weights(kHuge, kTiny, kTiny), kModest, {"r1"}, "gradient of the term r1");
  expect_terms(with_weights(kTiny, kHuge, kTiny), kModest, {"r2"}, "gradient of the term r2");
  expect_terms(with_weights(kTiny, kTiny, kHuge), kModest, {"gradient_penalty"},
               "gradient of the term gradient_penalty");
  expect_terms(with_weights(kTiny, kTiny, kTiny), kLarge, {"adversarial"},
               "gradient of the term adversarial");
  expect_terms(with_weights(kHuge, kHuge, kTiny), kModest, {"r1", "r2"}, "gradients of the terms r1 and r2");
}

TEST(GanOverflow, WithoutPenaltiesOfTheStepTheTermIsTheOnlyOne) {
  expect_terms(with_weights(0, 0, 0), kLarge, {"adversarial"}, "gradient of the term adversarial");
}

TEST(GanOverflow, TheGeneratorHasOnlyItsLoss) {
  GanRun run(with_weights(kTiny, kTiny, 0), {.initial = kLarge, .ceiling = kLarge});
  const step::StepReport report = run.step();
  ASSERT_TRUE(report.phase_runs[1].skipped);
  EXPECT_THAT(report.phase_runs[1].overflowed_by, ElementsAre("loss"));
  EXPECT_THAT(report.phase_runs[1].overflowed, StartsWith("generator."));
  EXPECT_THAT(skip_notes(report),
              Contains(HasSubstr("step 0 of generator skipped: the gradient of the loss with respect to " +
                                 report.phase_runs[1].overflowed)));
}

// The loss scale falls until the updates fit. Meanwhile the probability of augmentation and the inner scale
// change from step to step.
TEST(GanOverflow, LaterStepsHaveTheBitsOfARunWithoutTheSearch) {
  constexpr int kSteps = 24;
  GanConfig config = with_weights(0.7, 0.3, 0);
  config.discriminator_steps = 2;
  config.augment.probability = 0.4;
  config.augment.target = 0.5;
  config.augment.adjust_samples = 200;
  const numerics::LossScaleConfig scale{.initial = kLarge, .growth_interval = 4, .hysteresis = 0};
  GanRun with(config, scale), without(config, scale, /*traces=*/false);
  int skipped = 0, applied = 0;
  for (int i = 0; i < kSteps; ++i) {
    SCOPED_TRACE(i);
    const auto peak = [] { return test::test_ledger().peak_total(memory::Ledger::Location::host); };
    const step::StepReport traced = with.step();
    const std::int64_t peak_with = peak();
    const step::StepReport blind = without.step();
    EXPECT_EQ(peak_with, peak()) << "the search needs more memory than the step";
    ASSERT_EQ(traced.phase_runs.size(), 3U);
    for (std::size_t phase = 0; phase < traced.phase_runs.size(); ++phase) {
      const step::PhaseReport &a = traced.phase_runs[phase], &b = blind.phase_runs[phase];
      EXPECT_EQ(a.skipped, b.skipped);
      EXPECT_EQ(a.loss, b.loss);
      EXPECT_EQ(a.overflowed, b.overflowed);
      if (a.phase != "discriminator") continue;
      EXPECT_TRUE(b.overflowed_by.empty());
      EXPECT_EQ(a.overflowed_by.empty(), !a.skipped || !a.overflowed_term.empty());
      ++(a.skipped ? skipped : applied);
    }
    ASSERT_EQ(with.values(), without.values());
  }
  EXPECT_GE(skipped, 4);
  EXPECT_GE(applied, 4);
  const auto expected = without.tensors();
  for (const auto& [name, tensor] : with.tensors()) EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
}

}  // namespace
}  // namespace ebb::train
