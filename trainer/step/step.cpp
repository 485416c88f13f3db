#include "step/step.h"

namespace ebb::step {

using memory::Stage;

Step::Step(std::vector<BoundPhase> phases, StepSources sources, StepControl& control,
           core::UnitRunner& runner, memory::Ledger& ledger, memory::LeakGate& gate)
    : phases_(std::move(phases)),
      sources_(std::move(sources)),
      control_(control),
      runner_(runner),
      ledger_(ledger),
      gate_(gate) {}

StepReport Step::run(std::int64_t step) {
  StepReport report;
  report.step = step;
  const auto ended = since_;
  since_ = std::chrono::steady_clock::now();
  if (ended != std::chrono::steady_clock::time_point())
    between_s_ = std::chrono::duration<double>(since_ - ended).count();
  ledger_.reset_peaks();
  for (BoundPhase& bound : phases_) run_phase(bound, report);
  enter(Stage::setup, report);
  // Of the last phase alone: those before it are in `seconds` when the last one tells.
  last_update_s_ = report.seconds[static_cast<std::size_t>(Stage::update)] - updates_before_last_s_;
  report.leak = gate_.check(step).value_or("");
  return report;
}

void Step::run_phase(BoundPhase& bound, StepReport& report) {
  PhaseReport& outcome = report.phases.emplace_back();
  outcome.phase = bound.phase.name();
  outcome.learning_rate = sources_.learning_rate(report.step);
  LossSums losses;
  for (std::int64_t micro = 0; micro < sources_.micro_batches; ++micro) {
    enter(Stage::load, report);
    const core::Batch batch = sources_.next_batch();
    enter(Stage::forward, report);
    const core::Loss loss = bound.phase.forward(batch, runner_);
    losses.add(loss);
    enter(Stage::backward, report);
    const memory::Tag tag(memory::Class::activations, "backward");
    bound.reducer.expect({.last = micro + 1 == sources_.micro_batches});
    (loss.loss * bound.scaler.scale()).backward();
  }
  enter(Stage::reduce, report);
  const std::vector<at::Tensor> gradients = bound.reducer.finish();
  outcome.reduction_s = bound.reducer.time().under_way_s;
  outcome.reduction_waited_s = bound.reducer.time().waited_s;
  updates_before_last_s_ = report.seconds[static_cast<std::size_t>(Stage::update)];
  const Decision decision =
      control_.decide({losses, gradients, bound.parameters, told(report)}, bound.scaler, outcome);
  report.rank_seconds = std::move(outcome.rank_seconds);
  report.stop = report.stop || decision.stop;
  enter(Stage::update, report);
  if (decision.accepted)
    bound.optimizer.step(gradients, outcome.learning_rate, {outcome.scale, outcome.gradient_norm});
}

// This rank's times for the others. What came after the last step's message (its update, then saving, logs
// and whatever else was done until this step) can only be told now. The wait for them in `reduce` goes on
// until they have answered.
memory::StageSeconds Step::told(const StepReport& report) const {
  memory::StageSeconds seconds = report.seconds;
  const auto add = [&](Stage stage, double s) { seconds[static_cast<std::size_t>(stage)] += s; };
  add(Stage::reduce, std::chrono::duration<double>(std::chrono::steady_clock::now() - since_).count());
  if (report.phases.size() == phases_.size()) {
    add(Stage::update, last_update_s_);
    add(Stage::setup, between_s_);
  }
  return seconds;
}

// Closes the time of the stage before and opens the next one's.
void Step::enter(Stage stage, StepReport& report) {
  const auto now = std::chrono::steady_clock::now();
  report.seconds[static_cast<std::size_t>(ledger_.stage())] +=
      std::chrono::duration<double>(now - since_).count();
  since_ = now;
  ledger_.enter(stage);
}

}  // namespace ebb::step
