// SPDX-License-Identifier: Apache-2.0
// A GAN reads every parameter inside the run of its unit. The body of a unit owns all that it needs.
//
// A penalty differentiates the discriminator within forward(). The HidingRunner cannot check that: it records
// no graph, and it overwrites the values that such a nested backward reads. So it checks the phases without
// penalties, and the SwappingRunner checks those with them.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "models/gan_under_test.h"
#include "models/hiding_runner.h"
#include "support/replaying_runner.h"

namespace ebb::models {
namespace {

using namespace testing;

using UnitNames = std::set<std::string>;

// Puts a tensor of NaN in the place of each parameter. Only while a unit runs are its parameters in their
// places. A graph refers to the tensors themselves, so its nodes read the values at any time. For units
// without ties.
class SwappingRunner final : public core::UnitRunner {
 public:
  explicit SwappingRunner(Model& model) {
    const at::NoGradGuard no_grad;
    for (core::Phase* phase : model.phases())
      for (core::Unit* unit : phase->units())
        for (core::Parameter& parameter : unit->parameters)
          places_.push_back({unit, &parameter, at::full_like(parameter.tensor, std::nan(""))});
    for (Place& place : places_) swap(place);
  }
  ~SwappingRunner() override {
    for (Place& place : places_) swap(place);
  }
  SwappingRunner(const SwappingRunner&) = delete;
  SwappingRunner& operator=(const SwappingRunner&) = delete;

  using UnitRunner::run;
  Tensors run(core::Unit& unit, const std::function<Tensors(const Tensors&)>& body,
              const Tensors& inputs) override {
    ran_.insert(unit.name);
    swap_all_of(unit);
    Tensors outputs = body(inputs);
    swap_all_of(unit);
    return outputs;
  }
  [[nodiscard]] const UnitNames& ran() const { return ran_; }

 private:
  struct Place {
    const core::Unit* unit;
    core::Parameter* parameter;
    at::Tensor other;  // of the parameter and NaN, the one that is not in the place
  };
  static void swap(Place& place) { std::swap(place.parameter->tensor, place.other); }
  void swap_all_of(const core::Unit& unit) {
    for (Place& place : places_)
      if (place.unit == &unit) swap(place);
  }
  std::vector<Place> places_;
  UnitNames ran_;
};

UnitNames unit_names(core::Phase& phase) {
  UnitNames names;
  for (const core::Unit* unit : phase.units()) names.insert(unit->name);
  return names;
}

UnitNames unit_names(Model& model) {
  UnitNames names;
  for (core::Phase* phase : model.phases()) names.merge(unit_names(*phase));
  return names;
}

using GanUse = std::function<at::Tensor(core::UnitRunner&)>;

// The loss of a phase, and its sums for conclude().
GanUse outcome_of(Model& model, std::size_t phase, const GanConfig& config) {
  return [&model, phase, batch = batch_of(config)](core::UnitRunner& runner) {
    const core::Loss loss = model.phases()[phase]->forward(batch, runner);
    const at::Tensor value = loss.loss.detach().view({1});
    return loss.sums.defined() ? at::cat({value, loss.sums}) : value;
  };
}

// The loss of a phase, and the gradients of both networks.
GanUse gradients_of(Model& model, std::size_t phase, const GanConfig& config) {
  return [&model, parameters = all_parameters(model), phase,
          batch = batch_of(config)](core::UnitRunner& runner) {
    const core::Loss loss = model.phases()[phase]->forward(batch, runner);
    loss.loss.backward();
    std::vector<at::Tensor> row{loss.loss.detach().view({1})};
    for (const core::Parameter& p : parameters) {
      if (p.tensor.grad().defined()) row.push_back(p.tensor.grad().flatten());
      p.tensor.mutable_grad() = at::Tensor();
    }
    return at::cat(row);
  };
}

GanUse samples_of(Model& model) {
  return [&model](core::UnitRunner& runner) { return model.image_sampler()->sample(0, 5, 1, runner); };
}

// With a runner that hides the parameters outside of their units.
template <class Runner>
void expect_inside(Model& model, const GanUse& use, const UnitNames& units) {
  core::PlainRunner plain;
  const at::Tensor expected = use(plain);
  ASSERT_TRUE(at::isfinite(expected).all().item<bool>());
  Runner runner(model);
  EXPECT_TRUE(at::equal(use(runner), expected));
  EXPECT_EQ(runner.ran(), units);
}

TEST(GanUnitRunner, PhasesAndSamplesReadTheirParametersInsideTheirUnits) {
  for (const GanConfig& penalised : configs()) {
    const GanConfig config = without_penalties(penalised);
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture) << config.conditional);
    const auto model = make(config, numerics::Dtype::fp32);
    for (const std::size_t phase : {0U, 1U})
      expect_inside<HidingRunner>(*model, outcome_of(*model, phase, config), unit_names(*model));
    const at::NoGradGuard no_grad;  // an evaluation
    expect_inside<HidingRunner>(*model, outcome_of(*model, 0, config), unit_names(*model));
    expect_inside<HidingRunner>(*model, samples_of(*model), unit_names(*model->phases()[1]));
  }
}

// R1 and R2, or the penalty of WGAN-GP, which runs the discriminator twice.
std::vector<GanConfig> configs_with_penalties() {
  std::vector<GanConfig> all = configs();
  for (const GanConfig& config : configs()) all.push_back(with_gradient_penalty(config));
  return all;
}

TEST(GanUnitRunner, PenaltiesAndGradientsReadTheirParametersInsideTheirUnits) {
  for (const GanConfig& config : configs_with_penalties()) {
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture) << config.conditional
                                      << static_cast<int>(config.loss));
    const auto model = make(config, numerics::Dtype::fp32);
    for (const std::size_t phase : {0U, 1U})
      expect_inside<SwappingRunner>(*model, gradients_of(*model, phase, config), unit_names(*model));
  }
}

// `units`: those that run.
void expect_bodies_outlive(const GanUse& use, const UnitNames& units) {
  test::ReplayingRunner runner;
  ASSERT_TRUE(at::isfinite(use(runner)).all().item<bool>());
  EXPECT_EQ(runner.ran(), units);
  EXPECT_EQ(runner.replay(), UnitNames{});
}

// After the nested backward of a penalty, too.
TEST(GanUnitRunner, BodiesCanBeCalledAfterForwardHasReturned) {
  for (const GanConfig& config : configs_with_penalties()) {
    SCOPED_TRACE(::testing::Message() << static_cast<int>(config.architecture) << config.conditional
                                      << static_cast<int>(config.loss));
    const auto model = make(config, numerics::Dtype::fp32);
    for (const std::size_t phase : {0U, 1U})
      expect_bodies_outlive(outcome_of(*model, phase, config), unit_names(*model));
    const at::NoGradGuard no_grad;
    expect_bodies_outlive(samples_of(*model), unit_names(*model->phases()[1]));
  }
}

// The plain runner does not bring the parameters back, so each of its reads is one outside.
TEST(GanUnitRunner, AReadOutsideItsUnitIsFound) {
  for (const GanArchitecture architecture : {GanArchitecture::residual, GanArchitecture::dcgan}) {
    const GanConfig config = without_penalties(tiny(architecture, true));
    const auto model = make(config, numerics::Dtype::fp32);
    const GanUse use = outcome_of(*model, 0, config);
    core::PlainRunner plain;
    {
      const HidingRunner hidden(*model);
      EXPECT_TRUE(at::isnan(use(plain)).any().item<bool>());
    }
    EXPECT_FALSE(at::isnan(use(plain)).any().item<bool>());
    const SwappingRunner swapped(*model);
    EXPECT_TRUE(at::isnan(use(plain)).any().item<bool>());
  }
}

}  // namespace
}  // namespace ebb::models
