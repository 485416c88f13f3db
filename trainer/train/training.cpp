// SPDX-License-Identifier: Apache-2.0
#include "train/training.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "base/terminal.h"
#include "comm/run_on_all_ranks.h"
#include "memory/leak_gate.h"
#include "step/agreed_step_control.h"
#include "train/metrics_feed.h"
#include "train/resume.h"
#include "train/run_folder.h"
#include "train/run_logger.h"
#include "train/samples.h"
#include "train/summary.h"

namespace ebb::train {

namespace {

bool due(std::int64_t step, std::int64_t every) {
  return every > 0 && step % every == 0;
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

std::vector<std::string> phase_names(models::Model& model) {
  std::vector<std::string> names;
  for (core::Phase* phase : model.phases()) names.push_back(phase->name());
  return names;
}

}  // namespace

Training::Training(const Config& config, Environment& environment, Splits splits, RunStorage storage,
                   RunSignals signals, CheckedPlan plan, const models::RunnerFactory& make_runner)
    : config_(config),
      environment_(environment),
      splits_(std::move(splits)),
      storage_(std::move(storage)),
      signals_(signals),
      plan_(std::move(plan)),
      budget_(plan_.budget, plan_.other_bytes, environment.ledger, environment.cache),
      trainees_(config, environment.device, *environment.communicator, splits_.train->spec()),
      runner_(make_runner(trainees_.model())),
      cursor_(config.run.seed, config.data.batch * trainees_.batch_plan().per_step),
      rollback_points_(config.checkpoint.keep) {
  listeners_.add(std::make_unique<MetricsFeed>(config, environment.world, environment.ledger,
                                               environment.device, phase_names(trainees_.model())));
}

ExitCode Training::run(const std::optional<checkpoint::CheckpointFolder>& found) {
  if (found)
    for (const auto& point : storage_.store.up_to(found->step)) rollback_points_.add(point);
  comm::run_on_all_ranks(environment_.world, config_.parallel.timeout_s, [&] {
    prepare_measures();
    load(found);
    try_outputs();
  });
  start(found);
  for (;;) {
    try {
      return run_steps();
    } catch (const FailureSign& sign) {
      if (config_.run.on_divergence != OnDivergence::rollback) throw;
      roll_back(sign, sign.delay());
    } catch (const DivergenceError& error) {
      if (config_.run.on_divergence != OnDivergence::rollback) throw;
      roll_back(error, 0);
    }
  }
}

ExitCode Training::run_steps() {
  step::AgreedStepControl control(*environment_.communicator, [this] { return signals_.stop.requested(); });
  memory::LeakGate gate(environment_.ledger, config_.memory.leak);
  step::Step step(trainees_.bound_phases(), data_->sources(), control, *runner_, environment_.ledger, gate);
  bool save_due = false;
  while (cursor_.step < config_.run.steps) {
    if (storage_.lease != nullptr) storage_.lease->check();
    begun_ = cursor_.step + 1;
    signals_.reporter.begin_step(cursor_.step);
    if (signals_.heartbeat != nullptr) signals_.heartbeat->begin_step(cursor_.step);
    step::StepReport report = step.run(cursor_.step);
    ++cursor_.step;
    environment_.cache.end_step();
    budget_.end_step();
    check(report);
    const bool last = cursor_.step == config_.run.steps;
    // A due save waits for a step without a skipped update. Overflowing gradients may mean that the weights
    // have diverged, and a checkpoint of such weights is useless.
    save_due |= due(cursor_.step, config_.checkpoint.every);
    if (last || report.stop || (save_due && report.applied())) {
      save();
      save_due = false;
    }
    const bool goes_on = !last && !report.stop;
    if (goes_on && due(cursor_.step, config_.run.evaluate_every)) (void)evaluate();
    if (goes_on && due(cursor_.step, config_.run.sample_every)) sample();
    listeners_.step_completed(report.step);
    if (signals_.report.take()) report_memory();
    if (report.stop && !last) return stopped();
  }
  return finished();
}

// Reports the step. Throws DivergenceError if the run should not go on from it.
void Training::check(step::StepReport& report) {
  step::PhaseReport& first = report.phase_runs.front();
  const bool finite = std::isfinite(first.loss);
  if (trainees_.model().phases().size() == 1 && finite && first.warning.empty()) {
    first.warning = cursor_.loss_watch.observe(first.loss);
    if (!first.warning.empty()) first.warning_delay = LossWatch::kDelay;
  }
  listeners_.stepped(report);
  const bool last = cursor_.step == config_.run.steps;
  for (const step::PhaseReport& run : report.phase_runs) {
    const std::string where = fmt::format("{} (phase {})", report.step, run.phase);
    if (!run.warning.empty() && config_.run.on_divergence != OnDivergence::warn)
      throw FailureSign(fmt::format("the run has diverged in step {}: {}", where, run.warning),
                        run.warning_delay);
    // A run whose last step is not finite must not end as successful. After an earlier step it may recover.
    if (last && !run.overflowed_term.empty() && run.overflowed_scale.empty())
      throw DivergenceError(
          fmt::format("the {} of the last step, {}, is not finite: the run has diverged",
                      run.overflowed_term == "loss" ? "loss" : "term " + run.overflowed_term, where));
  }
}

// Loads a checkpoint from before the failure, and opens the data after the samples that the run has used.
// Later checkpoints are deleted: a restart must not resume from them.
void Training::roll_back(const DivergenceError& error, std::int64_t delay) {
  const checkpoint::CheckpointFolder good = rollback_points_.go_back(error, begun_, delay);
  Cursor diverged = cursor_;
  diverged.step = begun_;
  environment_.ledger.enter_phase("");
  environment_.ledger.enter(memory::Stage::setup);
  data_.reset();
  comm::run_on_all_ranks(environment_.world, config_.parallel.timeout_s,
                         [&] { splits_ = open_splits(config_, environment_.world); });
  comm::run_on_all_ranks(environment_.world, config_.parallel.timeout_s, [&] { load(good, &diverged); });
  comm::run_on_all_ranks(environment_.world, config_.parallel.timeout_s, [&] {
    if (environment_.world.rank() != 0) return;
    if (storage_.lease != nullptr) storage_.lease->check();
    write_rollback(config_.run.folder(), {good.step, cursor_.stream_position()});
    checkpoint::discard_after(config_.run.folder() / "checkpoints", good.step);
  });
  saved_ = good.step;
  for (core::Phase* phase : trainees_.model().phases()) phase->restart_warnings();
  listeners_.rolled_back({cursor_.step, begun_ - 1, cursor_.skipped().back(), error.what(), changes_});
}

void Training::load_checkpoint(const checkpoint::CheckpointFolder& found) {
  storage_.store.load(found, parts());
  if (cursor_.step == found.step) return;
  throw Error(ExitCode::checkpoint,
              fmt::format("{} is damaged: its folder is of step {}, and its cursor of step {}",
                          found.folder.string(), found.step, cursor_.step));
}

// Sets the parameters, and opens the data at the current step. `diverged`: the run goes back from there.
void Training::load(const std::optional<checkpoint::CheckpointFolder>& found, const Cursor* diverged) {
  if (found)
    load_checkpoint(*found);
  else
    trainees_.set_initial_values(config_);
  // Before anything that one rank alone may fail at.
  const std::int64_t ahead =
      found && diverged == nullptr ? position_after_rollback(config_, environment_.world, *found) : 0;
  cursor_.skip_to(diverged != nullptr ? diverged->stream_position() : ahead);
  if (found)
    changes_ = checkpoint::changes_between(checkpoint::read_manifest(found->folder), storage_.configuration);
  data_ = std::make_unique<TrainingData>(config_, environment_, std::move(splits_), trainees_.batch_plan(),
                                         cursor_);
}

void Training::start(const std::optional<checkpoint::CheckpointFolder>& found) {
  RunStart start;
  start.first_step = cursor_.step;
  start.samples = data_->samples();
  start.samples_per_step = config_.data.batch * trainees_.batch_plan().per_step;
  start.unit = sample_unit(config_, data_->spec());
  start.utilization = measure_utilization(config_, environment_, trainees_.model());
  start.notes.push_back(describe_run(config_, environment_, trainees_.model(), data_->samples()));
  for (const std::string& warning : {environment_.threads_note, environment_.device_note, plan_.note})
    if (!warning.empty()) start.notes.push_back("warning: " + warning);
  if (plan_.need) start.predicted_bytes = plan_.need->plan.peak_total;
  if (found) start.resumed_from = found->folder;
  start.changes = changes_;
  listeners_.add(std::make_unique<RunLogger>(config_, environment_.world, environment_.ledger,
                                             environment_.cache, environment_.device));
  listeners_.started(start);
}

checkpoint::Parts Training::parts() {
  checkpoint::Parts parts = trainees_.parts();
  parts.emplace("cursor", &cursor_);
  return parts;
}

std::string Training::resume_hint(const std::optional<checkpoint::CheckpointFolder>& found) const {
  if (saved_ < 0 && !found) return "there is no checkpoint yet";
  return fmt::format("the last complete checkpoint is kept: step {} in {}", saved_ < 0 ? found->step : saved_,
                     (config_.run.folder() / "checkpoints").string());
}

void Training::save() {
  const memory::StageScope stage(environment_.ledger, memory::Stage::save);
  const auto start = std::chrono::steady_clock::now();
  storage_.store.save(cursor_.step, parts(), storage_.configuration);
  const auto folder = checkpoint::step_folder(config_.run.folder() / "checkpoints", cursor_.step);
  listeners_.saved(folder, seconds_since(start));
  saved_ = cursor_.step;
  rollback_points_.add({folder, cursor_.step});
}

// A run goes on if the report cannot be written.
void Training::report_memory() {
  const int rank = environment_.world.rank();
  try {
    signals_.reporter.write("The report was requested by SIGUSR2.");
    print_note(fmt::format("memory of rank {}: {}", rank, signals_.reporter.report_path().string()));
  } catch (const std::exception& error) {
    print_note(fmt::format("warning: rank {} cannot write a memory report: {}", rank, error.what()));
  }
}

ExitCode Training::stopped() {
  const std::string signal = signals_.stop.signal_name();
  listeners_.ended(
      fmt::format("stopped after step {}{}; checkpoint saved. Run the same command again to continue.",
                  cursor_.step, signal.empty() ? " on another rank's signal" : " on " + signal));
  return ExitCode::stopped;
}

ExitCode Training::finished() {
  const Evaluation result = evaluate();
  listeners_.ended("");
  Summary summary(config_, environment_, plan_.need);
  summary.collect();
  if (environment_.world.rank() == 0) {
    const memory::StageScope stage(environment_.ledger, memory::Stage::evaluate);
    const Results results{cursor_.step, result.loss, summary.text(result)};
    if (config_.run.samples) {
      const auto averaged = trainees_.averaged();
      write_samples(config_, *runner_, trainees_.model(), config_.run.folder());
    }
    write_results(config_.run.folder(), results);  // the last file: with it the run is complete
    std::fputs(wrap(results.text, output_columns()).c_str(), stdout);
    std::fflush(stdout);
  }
  return ExitCode::ok;
}

}  // namespace ebb::train
