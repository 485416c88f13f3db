// One step under a script of decisions.
#include "step/step.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "comm/single.h"
#include "step/scripted_step_control.h"
#include "step/test_world.h"

namespace ebb::step {
namespace {

using Line = ScriptedStepControl::Line;

// A loss whose gradient is 1 for each element of its weight.
class SumPhase final : public core::Phase {
 public:
  explicit SumPhase(at::Device device) {
    const memory::Tag tag(memory::Class::parameters, "sum");
    unit_.parameters.push_back(
        {"weight", at::zeros({3, 2}, at::TensorOptions().device(device)).requires_grad_(true), false, {}});
  }
  [[nodiscard]] const std::string& name() const override { return name_; }
  std::vector<core::Unit*> units() override { return {&unit_}; }
  core::Loss forward(const core::Batch&, core::UnitRunner& runner) override {
    return {runner.run(
                unit_, [](const at::Tensor& weight) { return weight.sum(); }, unit_.parameters[0].tensor),
            {}};
  }
  [[nodiscard]] const std::vector<core::Parameter>& parameters() const { return unit_.parameters; }

 private:
  std::string name_ = "sum";
  core::Unit unit_{"sum", {}};
};

class StepTest : public testing::Test {
 protected:
  void make(std::deque<Line> script, at::Device device = at::kCPU) {
    control = std::make_unique<ScriptedStepControl>(std::move(script));
    if (device.is_meta())
      communicator = std::make_unique<comm::Single>(device);
    else
      communicator = comm::make_communicator(test_world(), comm::Backend::automatic, 60, device);
    phase = std::make_unique<SumPhase>(device);
    optimizer = std::make_unique<optim::Optimizer>(optim::OptimizerConfig{}, phase->parameters());
    reducer = std::make_unique<parallel::GradientReducer>(phase->parameters(), *communicator, 1 << 20, 2);
    StepSources sources;
    sources.next_batch = [this] {
      ++batches;
      return core::Batch{};
    };
    sources.learning_rate = [](std::int64_t step) { return 0.1 * static_cast<double>(step + 1); };
    sources.micro_batches = 2;
    std::vector<BoundPhase> bound;
    bound.push_back({*phase, phase->parameters(), *optimizer, scaler, *reducer});
    step = std::make_unique<Step>(std::move(bound), sources, *control, runner, test_ledger(), gate);
  }
  [[nodiscard]] float weight() const { return phase->parameters()[0].tensor[0][0].item<float>(); }

  int batches = 0;
  std::unique_ptr<comm::Communicator> communicator;
  std::unique_ptr<ScriptedStepControl> control;
  std::unique_ptr<SumPhase> phase;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<parallel::GradientReducer> reducer;
  numerics::LossScaler scaler = numerics::LossScaler::fixed();
  core::PlainRunner runner;
  memory::LeakGate gate{test_ledger(), memory::LeakPolicy::error};
  std::unique_ptr<Step> step;
};

TEST_F(StepTest, TakesAStepThatIsAccepted) {
  make({Line::accept, Line::accept});
  const StepReport report = step->run(0);
  EXPECT_EQ(batches, 2);
  EXPECT_EQ(control->gradients_seen, 1U);
  EXPECT_TRUE(report.taken());
  EXPECT_FALSE(report.stop);
  EXPECT_NEAR(weight(), -0.1F, 1e-5F);
  EXPECT_DOUBLE_EQ(step->run(1).phases[0].learning_rate, 0.2);
  EXPECT_EQ(optimizer->steps_taken(), 2);
}

TEST_F(StepTest, LeavesTheWeightsOfASkippedStepAlone) {
  make({Line::skip, Line::accept});
  EXPECT_FALSE(step->run(0).taken());
  EXPECT_EQ(weight(), 0);
  EXPECT_EQ(optimizer->steps_taken(), 0);
  EXPECT_TRUE(step->run(1).taken());
  EXPECT_LT(weight(), 0);
}

TEST_F(StepTest, SaysThatTheRunStops) {
  make({Line::accept, Line::stop});
  EXPECT_FALSE(step->run(0).stop);
  EXPECT_TRUE(step->run(1).stop);
  EXPECT_EQ(optimizer->steps_taken(), 2);
}

TEST_F(StepTest, HoldsNothingWhenItIsOver) {
  make({Line::accept, Line::skip, Line::accept});
  step->run(0);
  const std::int64_t live = test_ledger().live_total(memory::Ledger::Place::host);
  step->run(1);
  step->run(2);
  EXPECT_EQ(test_ledger().live_total(memory::Ledger::Place::host), live);
}

// Tensors without values: whatever read one would throw.
TEST_F(StepTest, ReadsNoTensorsValueOutsideItsControl) {
  make({Line::accept, Line::skip}, at::kMeta);
  EXPECT_TRUE(step->run(0).taken());
  EXPECT_FALSE(step->run(1).taken());
  EXPECT_EQ(optimizer->steps_taken(), 1);
}

}  // namespace
}  // namespace ebb::step
