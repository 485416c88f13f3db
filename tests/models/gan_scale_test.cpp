// SPDX-License-Identifier: Apache-2.0
// The scale of the gradients that the penalty squares, in fp16.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "models/gan_under_test.h"

namespace ebb::models {
namespace {

using namespace ebb::models::testing;

struct NormOfDraws {
  double squared_error = 0, squared_norm = 0;
  void add(const at::Tensor& found, const at::Tensor& exact) {
    squared_error += (found.to(at::kDouble) - exact).square().sum().item<double>();
    squared_norm += exact.to(at::kDouble).square().sum().item<double>();
  }
};

// The norms are those of the gradients of all draws together. The weights make the penalties nearly all of
// the loss, so an error of theirs is not hidden behind the adversarial gradients.
TEST(GanScale, OverTwoHundredDrawsFp16PenaltyGradientsAreWithinTwoPercentOfFp32s) {
  GanConfig config = tiny(GanArchitecture::residual, true);
  config.penalty.r1 = config.penalty.r2 = 100;
  const auto half = make(config, numerics::Dtype::fp16), full = make(config, numerics::Dtype::fp32),
             adversarial = make(without_penalties(config), numerics::Dtype::fp32);
  {
    const at::NoGradGuard no_grad;
    for (const auto& copy : {full.get(), adversarial.get()})
      for (auto& [name, tensor] : copy->state().tensors) tensor.copy_(half->state().tensors.at(name));
  }
  NormOfDraws of_half, of_penalties;
  for (std::int64_t draw = 0; draw < 200; ++draw) {
    core::Batch batch = batch_of(config);
    at::manual_seed(100 + static_cast<std::uint64_t>(draw));
    batch.fields[0].tensor = at::randint(0, 256, {kImages, 1, kSide, kSide}, at::kByte);
    batch.position = draw * kImages;
    const auto ours = gradients(*half, *half->phases()[0], batch);
    const auto without = gradients(*adversarial, *adversarial->phases()[0], batch);
    for (const auto& [name, exact] : gradients(*full, *full->phases()[0], batch)) {
      of_half.add(ours.at(name), exact);
      of_penalties.add(exact - without.at(name), exact);
    }
  }
  EXPECT_LE(std::sqrt(of_half.squared_error / of_half.squared_norm), 0.02);
  EXPECT_LE(std::sqrt(of_penalties.squared_error / of_penalties.squared_norm), 0.05)
      << "the adversarial gradients' share";
}

nlohmann::json inner_scale_of(Model& model) {
  return model.state().values.at("inner_scale");
}

TEST(GanScale, AnInnerGradientThatOverflowsLowersItsOwnScaleUntilItFits) {
  const GanConfig config = tiny(GanArchitecture::residual);
  const auto model = make(config, numerics::Dtype::fp16);
  nlohmann::json values = model->state().values;
  constexpr double kTooLarge = 1 << 30;
  values["inner_scale"]["scale"] = kTooLarge;
  model->restore(values);
  core::Phase& phase = *model->phases()[0];
  core::PlainRunner runner;
  const core::Batch batch = batch_of(config);
  double scale = kTooLarge;
  for (int tries = 0; tries < 30; ++tries) {
    std::vector<std::pair<std::string, double>> terms;
    const core::Loss loss = phase.forward(batch, runner);
    for (const auto& [name, value] : loss.terms) terms.emplace_back(name, value.item<double>());
    const bool finite = std::isfinite(loss.loss.item<double>());
    const core::PhaseConclusion conclusion = phase.conclude({loss.loss.item<double>(), terms, {}, finite});
    if (finite) {
      EXPECT_EQ(conclusion.overflowed_scale, "");
      EXPECT_GT(tries, 0);
      break;
    }
    EXPECT_EQ(conclusion.overflowed_scale, fmt::format("inner gradient scale {:g}", scale));
    scale /= 2;
    EXPECT_EQ(inner_scale_of(*model).at("scale"), scale);
  }
  EXPECT_LT(scale, kTooLarge / 2);
}

TEST(GanScale, AGradientThatOverflowsWhileTheLossIsFiniteIsNotItsScales) {
  const auto model = make(tiny(GanArchitecture::residual), numerics::Dtype::fp16);
  const double before = inner_scale_of(*model).at("scale");
  const std::vector<std::pair<std::string, double>> terms = {{"adversarial", 0.7}, {"r1", 1}, {"r2", 1}};
  EXPECT_EQ(model->phases()[0]->conclude({0.8, terms, {}, false}).overflowed_scale, "");
  EXPECT_EQ(inner_scale_of(*model).at("scale"), before);
}

}  // namespace
}  // namespace ebb::models
