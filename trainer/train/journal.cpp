#include "train/journal.h"

#include <fmt/format.h>

#include <cstdio>

#include "train/terminal.h"

namespace ebb::train {

namespace {

double unix_seconds() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

Journal::Journal(const Config& config, comm::World& world, memory::Ledger& ledger,
                 const memory::BlockCache& cache, std::int64_t first_step, std::int64_t samples,
                 double mfu_per_sample)
    : config_(config),
      ledger_(ledger),
      samples_(samples),
      mfu_per_sample_(mfu_per_sample),
      memory_log_(config.run.folder(), world.rank(), world.host(), ledger, &cache, config.memory.log_every,
                  first_step),
      last_step_(std::chrono::steady_clock::now()) {
  std::vector<std::string> hosts = world.gather_to_all(world.host(), config.parallel.timeout_s);
  if (world.rank() != 0) return;
  watch_ = std::make_unique<telemetry::StragglerWatch>(std::move(hosts));
  metrics_ = std::make_unique<telemetry::Metrics>(config.run.folder(), first_step);
  progress_ = std::make_unique<telemetry::Progress>(stdout, standard_output_is_terminal(), config.run.steps,
                                                    config.telemetry.progress_every_s);
}

void Journal::step(const step::StepReport& report) {
  if (!metrics_) return;
  const step::PhaseReport& phase = report.phases.front();
  const double batch = static_cast<double>(config_.data.batch);
  telemetry::StepMetrics line;
  line.step = report.step;
  line.epoch = static_cast<double>(report.step + 1) * batch / static_cast<double>(samples_);
  line.time_s = unix_seconds();
  line.loss = phase.loss;
  line.parts = phase.parts;
  line.lr = phase.learning_rate;
  line.scale = phase.scale;
  line.skipped = phase.skipped;
  line.overflowed = phase.overflowed;
  line.grad_norm = phase.gradient_norm;
  line.samples_per_s = batch / seconds_since(last_step_);
  if (config_.model.family().reads_field(core::kTokensField))
    line.tokens_per_s = line.samples_per_s * static_cast<double>(config_.data.context);
  line.mfu = mfu_per_sample_ * line.samples_per_s;
  line.seconds = report.seconds;
  line.rank_seconds = report.rank_seconds;
  line.reduction_s = phase.reduction_s;
  line.reduction_waited_s = phase.reduction_waited_s;
  line.straggler = telemetry::straggler(report.rank_seconds);
  line.peak_bytes =
      ledger_.peak_total(memory::Ledger::Place::host) + ledger_.peak_total(memory::Ledger::Place::device);
  last_step_ = std::chrono::steady_clock::now();
  metrics_->write(line);
  times_.add(report.seconds);
  if (phase.skipped)
    progress_->note(fmt::format("step {} skipped: the gradient of {} overflowed at loss scale {:g}",
                                report.step, phase.overflowed.empty() ? "some parameter" : phase.overflowed,
                                phase.scale));
  if (const auto slow = watch_->observe(report.step, line.straggler)) progress_->note(*slow);
  if (!report.leak.empty()) progress_->note(report.leak);
  const bool text = line.tokens_per_s > 0;
  progress_->update({report.step + 1, text ? line.tokens_per_s : line.samples_per_s,
                     text ? "tokens" : "samples", line.loss, line.scale, line.peak_bytes});
}

void Journal::evaluation(std::int64_t step, const Evaluation& result) {
  if (!metrics_) return;
  telemetry::NamedValues values{{"loss", result.loss}};
  values.insert(values.end(), result.parts.begin(), result.parts.end());
  metrics_->write_evaluation(step, values, times_.take());
  std::string parts;
  for (const auto& [name, value] : result.parts)
    parts += fmt::format("{}{} {:.3f}", parts.empty() ? "" : ", ", name, value);
  if (!parts.empty()) parts = " (" + parts + ")";
  progress_->note(fmt::format("step {}: test loss {:.4f}{}", step, result.loss, parts));
  last_step_ = std::chrono::steady_clock::now();
}

void Journal::sampled() {
  last_step_ = std::chrono::steady_clock::now();
}

void Journal::close_step(std::int64_t step) {
  memory_log_.write(step);
}

void Journal::note(const std::string& text) {
  if (progress_) progress_->note(text);
}

void Journal::end() {
  if (progress_) progress_->finish();
}

void print_note(const std::string& text) {
  std::fputs((text + "\n").c_str(), stdout);
  std::fflush(stdout);
}

}  // namespace ebb::train
