// SPDX-License-Identifier: Apache-2.0
#include "train/run_logger.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <iterator>

#include "base/terminal.h"
#include "base/wall_clock.h"
#include "step/overflow.h"

namespace ebb::train {

namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

std::vector<telemetry::PhaseMetrics> phase_metrics(const step::StepReport& report) {
  std::vector<telemetry::PhaseMetrics> all;
  for (const step::PhaseReport& run : report.phase_runs) {
    auto found = std::find_if(all.begin(), all.end(), [&](const auto& p) { return p.phase == run.phase; });
    if (found == all.end()) {
      all.emplace_back().phase = run.phase;
      found = std::prev(all.end());
    }
    found->loss = run.loss;
    found->terms = run.terms;
    found->lr = run.learning_rate;
    found->scheduled = run.scheduled;
    if (run.skipped || found->skipped_runs == 0) found->scale = run.scale;
    found->grad_norm = run.gradient_norm;
    ++found->runs;
    if (run.skipped) {
      ++found->skipped_runs;
      found->overflowed = run.overflowed;
      found->overflowed_term = run.overflowed_term;
      found->overflowed_by = run.overflowed_by;
    }
    found->reduction_s += run.reduction_s;
    found->reduction_waited_s += run.reduction_waited_s;
  }
  return all;
}

std::vector<std::string> skip_notes(const step::StepReport& report) {
  std::vector<const step::PhaseReport*> last_skipped;  // one for each phase
  bool one_phase = true;
  for (const step::PhaseReport& run : report.phase_runs) {
    one_phase = one_phase && run.phase == report.phase_runs.front().phase;
    if (!run.skipped) continue;
    const auto found = std::ranges::find(last_skipped, run.phase, &step::PhaseReport::phase);
    if (found == last_skipped.end())
      last_skipped.push_back(&run);
    else
      *found = &run;
  }
  std::vector<std::string> notes;
  for (const step::PhaseReport* run : last_skipped)
    notes.push_back(fmt::format(
        "step {}{} skipped: {} overflowed at {}", report.step, one_phase ? "" : " of " + run->phase,
        step::overflowed_values(*run),
        run->overflowed_scale.empty() ? fmt::format("loss scale {:g}", run->scale) : run->overflowed_scale));
  return notes;
}

RunLogger::RunLogger(const Config& config, comm::World& world, memory::Ledger& ledger,
                     const memory::BlockCache& cache, at::Device device)
    : config_(config),
      world_(world),
      ledger_(ledger),
      cache_(cache),
      device_(device),
      growth_(config.memory.growth) {
  hosts_ = world.gather_to_all(world.host(), config.parallel.timeout_s);
}

void RunLogger::started(const RunStart& start) {
  samples_ = start.samples;
  samples_per_step_ = start.samples_per_step;
  unit_ = start.unit;
  utilization_ = start.utilization;
  predicted_bytes_ = start.predicted_bytes;
  open_logs(start.first_step);
  if (world_.rank() != 0) return;
  watch_ = std::make_unique<telemetry::StragglerWatch>(hosts_);
  progress_ = std::make_unique<telemetry::Progress>(stdout, output_screen(), config_.run.steps,
                                                    config_.telemetry.progress_every_s);
  for (const std::string& note : start.notes) progress_->note(note);
  if (start.resumed_from)
    progress_->note(fmt::format("resumes from step {} ({})", start.first_step, start.resumed_from->string()));
  report_changes(start.first_step, start.changes);
}

// On rank 0.
void RunLogger::report_changes(std::int64_t steps, const std::vector<checkpoint::Change>& changes) {
  if (changes.empty()) return;
  std::vector<telemetry::ConfigChange> written;
  for (const checkpoint::Change& change : changes) {
    const auto text = [](const std::string& value) { return value.empty() ? "absent" : value; };
    progress_->note(fmt::format("  {}: {} -> {}", change.key, text(change.saved), text(change.present)));
    written.push_back({change.key, change.saved, change.present});
  }
  metrics_->write_changes(steps, written);
}

// Removes the lines of later steps, which are about to be repeated.
void RunLogger::open_logs(std::int64_t first_step) {
  memory_log_.emplace(config_.run.folder(), world_.rank(), world_.host(), ledger_, &cache_, device_,
                      config_.memory, first_step, predicted_bytes_, world_.size());
  if (world_.rank() == 0) metrics_ = std::make_unique<telemetry::Metrics>(config_.run.folder(), first_step);
  last_step_ = std::chrono::steady_clock::now();
}

void RunLogger::rolled_back(const Rollback& rollback) {
  memory_log_.reset();
  metrics_.reset();
  open_logs(rollback.steps);
  const SampleRange& skipped = rollback.skipped;
  if (metrics_) metrics_->write_rollback(rollback.steps, rollback.diverged_at, {skipped.begin, skipped.end});
  if (progress_)
    progress_->note(fmt::format("{}\n  goes back to step {} and skips the samples {} to {} of the stream",
                                rollback.reason, rollback.steps, skipped.begin, skipped.end - 1));
  if (metrics_) report_changes(rollback.steps, rollback.changes);
}

void RunLogger::stepped(const step::StepReport& report) {
  if (!metrics_) return;
  const double batch = static_cast<double>(samples_per_step_);
  telemetry::StepMetrics line;
  line.step = report.step;
  line.epoch = static_cast<double>(report.step + 1) * batch / static_cast<double>(samples_);
  line.time_s = unix_seconds();
  line.phases = phase_metrics(report);
  const double seconds = seconds_since(last_step_);
  line.samples_per_s = batch / seconds;
  line.unit = unit_;
  line.mfu = utilization_.of_step(batch, seconds);
  line.matrix_rate = utilization_.rate();
  line.seconds = report.seconds;
  line.rank_seconds = report.rank_seconds;
  line.straggler = telemetry::find_straggler(report.rank_seconds);
  line.peak_bytes = ledger_.peak_total(memory::Ledger::Location::host) +
                    ledger_.peak_total(memory::Ledger::Location::device);
  last_step_ = std::chrono::steady_clock::now();
  metrics_->write(line);
  times_.add(report.seconds);
  show(report, line);
}

void RunLogger::show(const step::StepReport& report, const telemetry::StepMetrics& line) {
  for (const std::string& note : skip_notes(report)) progress_->note(note);
  if (const auto slow = watch_->observe(report.step, line.straggler)) progress_->note(*slow);
  for (const step::PhaseReport& run : report.phase_runs)
    if (!run.warning.empty()) progress_->note(fmt::format("warning: step {}: {}", report.step, run.warning));
  if (!report.leak.empty()) progress_->note(report.leak);
  const telemetry::SampleUnit unit = line.unit.name.empty() ? telemetry::SampleUnit{"samples", 1} : line.unit;
  const telemetry::PhaseMetrics& first = line.phases.front();
  progress_->update({report.step + 1, line.samples_per_s * unit.per_sample, unit.name, first.loss,
                     first.scale, line.peak_bytes});
}

void RunLogger::evaluating(std::int64_t) {
  if (progress_) progress_->begin_work("evaluating");
}

void RunLogger::evaluated(std::int64_t steps, const Evaluation& result, double) {
  if (!metrics_) return;
  progress_->end_work();
  telemetry::NamedValues values{{"loss", result.loss}};
  values.insert(values.end(), result.terms.begin(), result.terms.end());
  for (const models::Measure& measure : result.measures) values.emplace_back(measure.name, measure.value);
  metrics_->write_evaluation(steps, values, times_.summarize());
  std::string terms;
  for (const auto& [name, value] : result.terms)
    terms += fmt::format("{}{} {:.3f}", terms.empty() ? "" : ", ", name, value);
  if (!terms.empty()) terms = " (" + terms + ")";
  progress_->note(fmt::format("step {}: test loss {:.4f}{}", steps, result.loss, terms));
  for (const models::Measure& measure : result.measures)
    if (!measure.line.empty()) progress_->note("  " + measure.line);
  last_step_ = std::chrono::steady_clock::now();
}

// The time of the samples does not count as time of the next step.
void RunLogger::sampled() {
  last_step_ = std::chrono::steady_clock::now();
}

void RunLogger::step_completed(std::int64_t step) {
  memory_log_->write(step);
  if (!growth_.is_due(step)) return;
  const auto warning = growth_.observe(step, memory::measure_untracked_memory(ledger_, cache_));
  if (!warning) return;
  const std::string text = fmt::format("warning: rank {}: {}", world_.rank(), *warning);
  if (progress_)
    progress_->note(text);
  else
    print_note(text);
}

void RunLogger::ended(const std::string& note) {
  if (!progress_) return;
  store_rate(utilization_, config_, world_, device_);
  progress_->finish();
  if (!note.empty()) progress_->note(note);
}

void print_note(const std::string& text) {
  std::fputs((wrap(text, output_columns()) + "\n").c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace ebb::train
