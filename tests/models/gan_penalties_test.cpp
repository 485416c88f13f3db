// SPDX-License-Identifier: Apache-2.0
// Penalties that apply every n-th step, alone and beside several discriminator steps, a schedule and fp16.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "models/gan_under_test.h"

namespace ebb::models {
namespace {

using namespace testing;

using Terms = std::vector<std::pair<std::string, double>>;

GanConfig with_interval(GanConfig config, std::int64_t every) {
  config.penalty.every = every;
  return config;
}

std::vector<GanConfig> penalised_configs() {
  return {tiny(GanArchitecture::residual), with_gradient_penalty(tiny(GanArchitecture::dcgan, true))};
}

core::Loss discriminator_loss_at(Model& model, core::Batch batch, std::int64_t step) {
  core::PlainRunner runner;
  batch.step = step;
  return model.phases()[0]->forward(batch, runner);
}

double penalty_in(const core::Loss& loss) {
  return loss.loss.item<double>() - loss.terms.at(0).second.item<double>();
}

double weighted_terms(const GanPenaltyConfig& penalty, const core::Loss& loss) {
  double sum = 0;
  for (const auto& [name, value] : loss.terms) {
    if (name == "r1") sum += penalty.r1 / 2 * value.item<double>();
    if (name == "r2") sum += penalty.r2 / 2 * value.item<double>();
    if (name == "gradient_penalty") sum += penalty.gradient * value.item<double>();
  }
  return sum;
}

TEST(GanPenalties, EveryNthLossHasThemMultipliedByN) {
  for (const GanConfig& config : penalised_configs()) {
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture));
    const core::Batch batch = batch_of(config);
    const double once =
        penalty_in(discriminator_loss_at(*make(config, numerics::Dtype::fp32), batch, /*step=*/1));
    ASSERT_GT(once, 0);
    const auto lazy = make(with_interval(config, 3), numerics::Dtype::fp32);
    for (std::int64_t step = 0; step < 7; ++step) {
      const core::Loss loss = discriminator_loss_at(*lazy, batch, step);
      const double expected = step % 3 == 0 ? 3 * once : 0;
      EXPECT_NEAR(penalty_in(loss), expected, 1e-3 * once) << step;
      EXPECT_NEAR(weighted_terms(config.penalty, loss), expected, 1e-3 * once) << step;
    }
  }
}

// Those of the discriminator's phase, in one row.
at::Tensor gradients_at(const GanConfig& config, std::int64_t step) {
  const auto model = make(config, numerics::Dtype::fp32);
  core::Batch batch = batch_of(config);
  batch.step = step;
  std::vector<at::Tensor> row;
  for (const auto& [name, tensor] : gradients(*model, *model->phases()[0], batch))
    row.push_back(tensor.to(at::kDouble).flatten());
  return at::cat(row);
}

TEST(GanPenalties, EveryNthGradientHasThemMultipliedByN) {
  for (const GanConfig& config : penalised_configs()) {
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture));
    const GanConfig lazy = with_interval(config, 3);
    const at::Tensor adversarial = gradients_at(without_penalties(config), 3);
    const at::Tensor once = gradients_at(config, 3) - adversarial;
    ASSERT_GT(once.norm().item<double>(), 0);
    const at::Tensor lazily = gradients_at(lazy, 3) - adversarial;
    EXPECT_LE((lazily - once * 3).norm().item<double>(), 1e-3 * once.norm().item<double>());
    for (const std::int64_t step : {1, 2, 4}) EXPECT_TRUE(at::equal(gradients_at(lazy, step), adversarial));
  }
}

Terms values_of(const core::Loss& loss) {
  Terms values;
  for (const auto& [name, value] : loss.terms) values.emplace_back(name, value.item<double>());
  return values;
}

// The interval counts steps, and not the discriminator's runs within them.
TEST(GanPenalties, AllDiscriminatorRunsOfAStepHaveThemOrNone) {
  constexpr std::int64_t kRuns = 3, kInterval = 2;
  GanConfig config = tiny(GanArchitecture::residual);
  config.discriminator_steps = kRuns;
  const auto each = make(config, numerics::Dtype::fp32),
             lazy = make(with_interval(config, kInterval), numerics::Dtype::fp32);
  core::Phase& phase = *lazy->phases()[0];
  ASSERT_EQ(phase.plan().repeats, kRuns);
  core::Batch batch = batch_of(config);
  for (std::int64_t step = 0; step < 2 * kInterval; ++step)
    for (std::int64_t run = 0; run < kRuns; ++run) {
      SCOPED_TRACE(::testing::Message() << "step " << step << ", run " << run);
      batch.position = (step * kRuns + run) * kImages;
      const double once = penalty_in(discriminator_loss_at(*each, batch, step));
      const core::Loss loss = discriminator_loss_at(*lazy, batch, step);
      EXPECT_NEAR(penalty_in(loss), step % kInterval == 0 ? kInterval * once : 0, 1e-3 * once);
      const Terms terms = values_of(loss);
      EXPECT_EQ(terms.size(), step % kInterval == 0 ? 4U : 2U);
      (void)phase.conclude({loss.loss.item<double>(), terms, {}, true});
    }
}

TEST(GanPenalties, AScheduleAppliesBesideTheInterval) {
  const GanConfig plain = tiny(GanArchitecture::residual);
  GanConfig config = with_interval(plain, 5);
  config.penalty.final_ratio = 0.1, config.penalty.schedule = {core::Curve::linear, 20 * kImages};
  const core::Batch batch = batch_of(config);
  const double once = penalty_in(discriminator_loss_at(*make(plain, numerics::Dtype::fp32), batch, 0));
  const auto model = make(config, numerics::Dtype::fp32);
  for (const auto& [step, ratio] : {std::pair{0, 1.0}, std::pair{10, 0.55}, std::pair{40, 0.1}}) {
    const core::Loss loss = discriminator_loss_at(*model, batch, step);
    EXPECT_NEAR(penalty_in(loss), 5 * ratio * once, 1e-3 * once) << step;
    ASSERT_EQ(loss.scheduled.size(), 1U);
    EXPECT_EQ(loss.scheduled[0].first, "penalty_ratio");
    EXPECT_NEAR(loss.scheduled[0].second, ratio, 1e-12);
  }
  EXPECT_EQ(penalty_in(discriminator_loss_at(*model, batch, 11)), 0);
}

// Of a run without penalties, and of one with them.
const Terms kWithout = {{"adversarial", 0.75}, {"accuracy", 0.5}};
const Terms kWith = {{"adversarial", 0.75}, {"accuracy", 0.5}, {"r1", 4}, {"r2", 4}};

TEST(GanPenalties, AStepWithoutThemLeavesTheInnerScaleAlone) {
  const auto model = make(with_interval(tiny(GanArchitecture::residual), 4), numerics::Dtype::fp16);
  const auto scale = [&] { return model->state().values.at("inner_scale"); };
  const nlohmann::json before = scale();
  core::Phase& phase = *model->phases()[0];
  for (const bool finite : {true, false}) (void)phase.conclude({0.75, kWithout, {}, finite});
  EXPECT_EQ(scale(), before);
  (void)phase.conclude({2.75, kWith, {}, true});
  EXPECT_EQ(scale().at("accepted").get<int>(), 1);
}

// It would otherwise see one n times as large as it is on average.
TEST(GanPenalties, TheHealthSeesTheirMeanOverTheInterval) {
  const auto model = make(with_interval(tiny(GanArchitecture::residual), 4), numerics::Dtype::fp32);
  const auto penalty = [&] { return model->state().values.at("health").at("penalty").get<double>(); };
  core::Phase& phase = *model->phases()[0];
  (void)phase.conclude({2.75, kWith, {}, true});
  EXPECT_DOUBLE_EQ(penalty(), 0.5);
  for (int step = 1; step < 4; ++step) (void)phase.conclude({0.75, kWithout, {}, true});
  EXPECT_DOUBLE_EQ(penalty(), 0.5);
}

}  // namespace
}  // namespace ebb::models
