// SPDX-License-Identifier: Apache-2.0
#include "step/step.h"

#include <fmt/format.h>

#include "base/error.h"

namespace ebb::step {

using memory::Stage;

std::int64_t batches_per_step(const std::vector<core::Phase*>& phases) {
  std::int64_t batches = 0;
  for (core::Phase* phase : phases) {
    const core::PhasePlan plan = phase->plan();
    if (plan.batch == core::BatchChoice::next) batches += plan.repeats;
    if (batches == 0)
      throw Error(
          ExitCode::internal,
          fmt::format("phase {} reuses a global batch, and no phase before it takes one", phase->name()));
  }
  return batches;
}

bool keeps_batches(const std::vector<core::Phase*>& phases) {
  return std::any_of(phases.begin(), phases.end(), [](core::Phase* phase) {
    const core::PhasePlan plan = phase->plan();
    return plan.batch == core::BatchChoice::same || plan.traces_overflows;
  });
}

Step::Step(std::vector<BoundPhase> phases, StepSources sources, StepControl& control,
           core::UnitRunner& runner, memory::Ledger& ledger, memory::LeakGate& gate)
    : names_phases_(phases.size() > 1),
      sources_(std::move(sources)),
      control_(control),
      runner_(runner),
      ledger_(ledger),
      gate_(gate) {
  for (const BoundPhase& bound : phases) {
    const core::PhasePlan plan = bound.phase.plan();
    for (std::int64_t repeat = 0; repeat < plan.repeats; ++repeat) {
      const bool shares = plan.batch == core::BatchChoice::same;
      if (shares && !runs_.empty()) runs_.back().keeps = true;
      runs_.push_back({bound, plan, shares, false});
    }
    if (std::find(trainees_.begin(), trainees_.end(), &bound.trainee) == trainees_.end())
      trainees_.push_back(&bound.trainee);
  }
}

StepReport Step::run(std::int64_t step) {
  StepReport report;
  report.step = step;
  const auto ended = since_;
  since_ = std::chrono::steady_clock::now();
  if (ended != std::chrono::steady_clock::time_point())
    between_steps_s_ = std::chrono::duration<double>(since_ - ended).count();
  ledger_.reset_peaks();
  for (const Run& one : runs_) {
    if (names_phases_) ledger_.enter_phase(one.bound.phase.name());
    run_phase(one, report);
  }
  if (names_phases_) ledger_.enter_phase("");
  enter(Stage::setup, report);
  // The times that the last run sent already contain the earlier updates, so only the last update remains to
  // be sent.
  last_update_s_ = report.seconds[static_cast<std::size_t>(Stage::update)] - earlier_updates_s_;
  report.leak = gate_.check(step).value_or("");
  return report;
}

void Step::run_phase(const Run& run, StepReport& report) {
  core::Phase& phase = run.bound.phase;
  Trainee& trainee = run.bound.trainee;
  const FreezeGuard frozen(trainees_, trainee);
  PhaseReport& outcome = report.phase_runs.emplace_back();
  outcome.phase = phase.name();
  const optim::Rates rates = trainee.rates(report.step);
  outcome.learning_rate = rates.lr;
  LossSums losses;
  for (std::int64_t micro = 0; micro < sources_.micro_batches; ++micro) {
    enter(Stage::load, report);
    core::Batch batch = take_batch(run, micro);
    batch.loss_scale = trainee.scaler().scale();
    enter(Stage::forward, report);
    // Call it before forward(), since a phase may call backward() in it.
    trainee.reducer().begin_micro_batch({micro + 1 == sources_.micro_batches, run.plan.allow_unused});
    core::Loss loss = phase.forward(batch, runner_);
    losses.add(loss);
    loss.parts.clear();
    if (micro == 0) outcome.scheduled = loss.scheduled;
    enter(Stage::backward, report);
    const memory::Tag tag(memory::Class::activations, "backward");
    (loss.loss * batch.loss_scale).backward();
  }
  for (const auto& value : trainee.scheduled(report.step)) outcome.scheduled.push_back(value);
  enter(Stage::reduce, report);
  std::vector<at::Tensor> gradients = trainee.reducer().finish();
  outcome.reduction_s = trainee.reducer().time().under_way_s;
  outcome.reduction_waited_s = trainee.reducer().time().waited_s;
  earlier_updates_s_ = report.seconds[static_cast<std::size_t>(Stage::update)];
  DecisionInput input{phase, losses, gradients, trainee.parameters(), seconds_to_report(report)};
  if (run.plan.traces_overflows)
    input.gradients_of_part = [&](std::size_t part) {
      gradients.clear();
      losses.free_values();
      return gradients_of_part(run, part, report);
    };
  const Decision decision = control_.decide(input, trainee.scaler(), outcome);
  if (!run.keeps) kept_micro_batches_.clear();
  report.rank_seconds = std::move(outcome.rank_seconds);
  report.stop = report.stop || decision.stop;
  enter(Stage::update, report);
  if (!decision.apply) return;
  trainee.optimizer().step(gradients, rates, {outcome.scale, outcome.gradient_norm});
  trainee.update_average(report.step);
}

// Repeats the run with one part of its loss, after the run has freed its memory. Neither parameters nor the
// state of the phase change, and random numbers depend on positions alone: the values are those of the run.
std::vector<at::Tensor> Step::gradients_of_part(const Run& run, std::size_t part, StepReport& report) {
  parallel::GradientReducer& reducer = run.bound.trainee.reducer();
  for (std::int64_t micro = 0; micro < sources_.micro_batches; ++micro) {
    enter(Stage::load, report);
    core::Batch batch = sources_.to_device(kept_micro_batches_.at(static_cast<std::size_t>(micro)));
    batch.loss_scale = run.bound.trainee.scaler().scale();
    enter(Stage::forward, report);
    // A part may not depend on every parameter: R1 has no gradient of a last bias.
    reducer.begin_micro_batch({.last = micro + 1 == sources_.micro_batches, .allow_unused = true});
    const at::Tensor loss = run.bound.phase.forward(batch, runner_).parts.at(part).second;
    enter(Stage::backward, report);
    const memory::Tag tag(memory::Class::activations, "backward");
    (loss * batch.loss_scale).backward();
  }
  enter(Stage::reduce, report);
  return reducer.finish();
}

// A kept micro-batch remains in the memory of its source. Each run that uses it copies it to the device
// again.
core::Batch Step::take_batch(const Run& run, std::int64_t micro) {
  const auto index = static_cast<std::size_t>(micro);
  const bool keeps = run.keeps || run.plan.traces_overflows;
  const core::Batch stored = run.shares ? kept_micro_batches_.at(index) : sources_.next_batch();
  if (!keeps && run.shares) kept_micro_batches_[index] = {};
  if (keeps && !run.shares) kept_micro_batches_.push_back(stored);
  return sources_.to_device(stored);
}

// Returns this rank's times in this step so far, to be sent to all ranks. The last run of the step also sends
// the previous step's last update, in `update`, and the time between the two steps (saves, logs), in `setup`.
// `reduce` excludes the wait for the other ranks in the exchange that follows.
memory::StageSeconds Step::seconds_to_report(const StepReport& report) const {
  memory::StageSeconds seconds = report.seconds;
  const auto add = [&](Stage stage, double s) { seconds[static_cast<std::size_t>(stage)] += s; };
  add(Stage::reduce, std::chrono::duration<double>(std::chrono::steady_clock::now() - since_).count());
  if (report.phase_runs.size() == runs_.size()) {
    add(Stage::update, last_update_s_);
    add(Stage::setup, between_steps_s_);
  }
  return seconds;
}

// Ends the time of the current stage and starts that of `stage`.
void Step::enter(Stage stage, StepReport& report) {
  const auto now = std::chrono::steady_clock::now();
  report.seconds[static_cast<std::size_t>(ledger_.stage())] +=
      std::chrono::duration<double>(now - since_).count();
  since_ = now;
  ledger_.enter(stage);
}

}  // namespace ebb::step
