// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "comm/single_communicator.h"
#include "step/scripted_step_control.h"
#include "step/step.h"
#include "support/test_world.h"

namespace ebb::step {
using Line = ScriptedStepControl::Line;

// A loss whose gradient is 1 for each element of its weight. It may also read the weights of another phase.
class SumPhase final : public core::Phase {
 public:
  SumPhase(std::string name, core::PhasePlan plan, at::Device device, std::int64_t gradients_per_backward = 1)
      : name_(std::move(name)), plan_(std::move(plan)) {
    const memory::Tag tag(memory::Class::parameters, "sum");
    unit_.parameters.push_back({name_ + ".weight",
                                at::zeros({3, 2}, at::TensorOptions().device(device)).requires_grad_(true),
                                false,
                                {},
                                gradients_per_backward});
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] core::PhasePlan plan() const override { return plan_; }
  std::vector<core::Unit*> units() override { return {&unit_}; }
  core::Loss forward(const core::Batch& batch, core::UnitRunner& runner) override {
    positions.push_back(batch.position);
    if (before_backward) before_backward();
    if (penalty != 0) (weight().sum() * penalty * batch.loss_scale).backward();
    at::Tensor loss = runner.run(unit_, [](const at::Tensor& weight) { return weight.sum(); }, weight());
    if (other != nullptr) loss = loss + other->weight().sum();
    return {loss, {}};
  }
  [[nodiscard]] const std::vector<core::Parameter>& parameters() const { return unit_.parameters; }
  [[nodiscard]] const at::Tensor& weight() const { return unit_.parameters[0].tensor; }

  SumPhase* other = nullptr;
  std::function<void()> before_backward;
  double penalty = 0;                   // factor of a loss that forward differentiates itself
  std::vector<std::int64_t> positions;  // of its batches

 private:
  std::string name_;
  core::PhasePlan plan_;
  core::Unit unit_{"sum", {}};
};

constexpr std::int64_t kMicroBatches = 2;

class StepTest : public testing::Test {
 protected:
  void make(std::deque<Line> script, at::Device device = at::kCPU) {
    make(std::move(script), {{"sum", {}}}, device);
  }
  // One trainee for each phase, with a constant learning rate of 0.1.
  void make(std::deque<Line> script, const std::vector<std::pair<std::string, core::PhasePlan>>& plans,
            at::Device device = at::kCPU) {
    control = std::make_unique<ScriptedStepControl>(std::move(script));
    if (device.is_meta())
      communicator = std::make_unique<comm::SingleCommunicator>(device);
    else
      communicator = comm::make_communicator(test::test_world(), comm::Backend::automatic, 60, device);
    std::vector<BoundPhase> bound;
    for (const auto& [name, plan] : plans) {
      phases.push_back(std::make_unique<SumPhase>(name, plan, device, gradients_per_backward));
      TraineePlan settings;
      settings.optimizer.lr = 0.1;
      settings.optimizer.schedule = {.kind = optim::ScheduleKind::linear, .warmup_steps = 0};
      settings.scaler = scaler;
      settings.micro_batches = kMicroBatches;
      settings.steps = 11;
      trainees.push_back(
          std::make_unique<Trainee>(plan.trainee, phases.back()->parameters(), settings, *communicator));
      bound.push_back({*phases.back(), *trainees.back()});
    }
    StepSources sources;
    sources.next_batch = [this] {
      core::Batch batch;
      batch.position = batches++;
      return batch;
    };
    sources.to_device = [](const core::Batch& batch) { return batch; };
    sources.micro_batches = kMicroBatches;
    step = std::make_unique<Step>(std::move(bound), sources, *control, runner, test::test_ledger(), gate);
  }
  [[nodiscard]] float weight(std::size_t phase = 0) const {
    return phases[phase]->weight()[0][0].item<float>();
  }
  static std::int64_t live() { return test::test_ledger().live_total(memory::Ledger::Location::host); }

  std::int64_t gradients_per_backward = 1;  // that make() declares for each weight
  numerics::LossScaler scaler = numerics::LossScaler::fixed();
  int batches = 0;
  std::unique_ptr<comm::Communicator> communicator;
  std::unique_ptr<ScriptedStepControl> control;
  std::vector<std::unique_ptr<SumPhase>> phases;
  std::vector<std::unique_ptr<Trainee>> trainees;
  core::PlainRunner runner;
  memory::LeakGate gate{test::test_ledger(), memory::LeakPolicy::error};
  std::unique_ptr<Step> step;
};

}  // namespace ebb::step
