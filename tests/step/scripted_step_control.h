// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <deque>
#include <functional>
#include <stdexcept>
#include <utility>

#include "step/step_control.h"

namespace ebb::step {

// Decides from a script and reads no tensor.
class ScriptedStepControl final : public StepControl {
 public:
  enum class Line { accept, skip, stop };  // stop: accept, and end the run
  explicit ScriptedStepControl(std::deque<Line> script) : script_(std::move(script)) {}
  Decision decide(const DecisionInput& input, numerics::LossScaler& scaler, PhaseReport& report) override {
    if (script_.empty()) throw std::logic_error("the script has ended");
    const Line line = script_.front();
    script_.pop_front();
    gradients_seen = input.gradients.size();
    if (inspect) inspect(input);
    report.scale = scaler.scale();
    report.skipped = !scaler.update(line == Line::skip);
    report.rank_seconds = {input.seconds};
    return {!report.skipped, line == Line::stop};
  }
  std::size_t gradients_seen = 0;                     // at the last decision
  std::function<void(const DecisionInput&)> inspect;  // before each decision

 private:
  std::deque<Line> script_;
};

}  // namespace ebb::step
