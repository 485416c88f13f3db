// SPDX-License-Identifier: Apache-2.0
#include "train/metrics_feed.h"

#include <algorithm>
#include <numeric>

#include "base/wall_clock.h"
#include "checkpoint/manifest.h"
#include "comm/run_on_all_ranks.h"
#include "memory/system_memory.h"
#include "telemetry/gpu_uuid.h"
#include "telemetry/memory_log.h"

namespace ebb::train {

namespace {

using Location = memory::Ledger::Location;
using std::chrono::system_clock;

// Each value has only one writer.
void add(telemetry::SharedValue& number, double more) {
  number = number + more;
}

std::int64_t bytes_in(const std::filesystem::path& folder) {
  std::int64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    const auto size = entry.file_size(error);
    if (!error) bytes += static_cast<std::int64_t>(size);
  }
  return bytes;
}

// Returns when the last file of a checkpoint was written, in seconds since 1970; 0 if unknown.
double written_at(const std::filesystem::path& folder) {
  std::error_code error;
  const auto time = std::filesystem::last_write_time(folder / checkpoint::kDoneName, error);
  if (error) return 0;
  return std::chrono::duration<double>(std::chrono::file_clock::to_sys(time).time_since_epoch()).count();
}

}  // namespace

MetricsFeed::MetricsFeed(const Config& config, comm::World& world, memory::Ledger& ledger, at::Device device,
                         const std::vector<std::string>& phases)
    : ledger_(ledger), device_(device), budget_(config.memory.budget) {
  if (config.telemetry.port == 0) return;
  const double timeout_s = config.parallel.timeout_s;
  node_ = std::make_unique<telemetry::NodeMetrics>(world, config.run.folder(), timeout_s);
  if (world.rank() == 0) {
    run_ = std::make_unique<telemetry::RunMetrics>(phases);
    run_->ranks = world.size();
    run_->steps_target = static_cast<double>(config.run.steps);
  }
  telemetry::RankMetrics& mine = node_->mine();
  mine.rank = world.rank();
  mine.device = device.is_cuda();
  mine.name_device(device.is_cuda() ? telemetry::gpu_uuid(device.index()) : "");
  mine.present = true;
  publish_memory();
  comm::run_on_all_ranks(world, timeout_s, [&] {
    if (world.local_rank() == 0)
      port_ = std::make_unique<telemetry::MetricsPort>(
          config.telemetry.address, static_cast<int>(config.telemetry.port), *node_, run_.get());
  });
}

void MetricsFeed::started(const RunStart& start) {
  utilization_ = start.utilization;
  samples_per_step_ = start.samples_per_step;
  if (!run_) return;
  run_->unit = start.unit;
  run_->steps = static_cast<double>(start.first_step);
  run_->samples = static_cast<double>(start.first_step * samples_per_step_);
  // Before the metrics of the run are served, so that no scrape finds a resumed run without its checkpoint.
  if (start.resumed_from) publish_checkpoint(*start.resumed_from, 0);
  run_->started = true;
}

void MetricsFeed::stepped(const step::StepReport& report) {
  if (!node_) return;
  telemetry::RankMetrics& mine = node_->mine();
  for (int s = 0; s < memory::kStages; ++s) add(mine.seconds[s], report.seconds[s]);
  mine.last_step = unix_seconds();
  if (!report.leak.empty()) add(mine.leaks, 1);
  if (!run_) return;
  const double batch = static_cast<double>(samples_per_step_);
  run_->steps = std::max<double>(run_->steps, static_cast<double>(report.step + 1));
  add(run_->samples, batch);
  for (telemetry::PhaseGauges& gauges : run_->phases) {
    for (const step::PhaseReport& run : report.phase_runs) {
      if (run.phase != gauges.phase) continue;  // the last run of a phase remains
      gauges.loss = run.loss;
      gauges.gradient_norm = run.gradient_norm;
      gauges.loss_scale = run.scale;
      gauges.learning_rate = run.learning_rate;
    }
  }
  if (report.applied()) {
    run_->overflow_streak = 0;
  } else {
    add(run_->overflows, 1);
    add(run_->overflow_streak, 1);
  }
  const double took = std::accumulate(report.seconds.begin(), report.seconds.end(), 0.0);
  if (took > 0) run_->utilization = utilization_.of_step(batch, took);
  run_->has_step = true;
}

void MetricsFeed::evaluated(std::int64_t, const Evaluation& result, double seconds) {
  spent(memory::Stage::evaluate, seconds);
  if (!run_) return;
  run_->test_loss = result.loss;
  run_->has_test = true;
}

void MetricsFeed::saved(const std::filesystem::path& checkpoint, double seconds) {
  spent(memory::Stage::save, seconds);
  if (run_) publish_checkpoint(checkpoint, seconds);
}

void MetricsFeed::publish_checkpoint(const std::filesystem::path& checkpoint, double seconds) {
  run_->checkpoint_bytes = static_cast<double>(bytes_in(checkpoint));
  run_->checkpoint_seconds = seconds;
  run_->checkpoint_time = written_at(checkpoint);
}

// Its counters go on: a step that is repeated counts once.
void MetricsFeed::rolled_back(const Rollback&) {
  if (run_) run_->overflow_streak = 0;
}

void MetricsFeed::step_completed(std::int64_t) {
  if (node_) publish_memory();
}

// Adds the time of work between steps.
void MetricsFeed::spent(memory::Stage stage, double seconds) {
  if (node_) add(node_->mine().seconds[static_cast<std::size_t>(stage)], seconds);
}

void MetricsFeed::publish_memory() {
  telemetry::RankMetrics& mine = node_->mine();
  for (const Location location : {Location::host, Location::device}) {
    const auto p = static_cast<std::size_t>(location);
    const memory::Sums live = ledger_.live(location), peak = telemetry::step_peak(ledger_, location);
    for (int c = 0; c < memory::kClasses; ++c) {
      mine.live[p][c] = static_cast<double>(live[c]);
      mine.peak[p][c] = static_cast<double>(peak[c]);
    }
  }
  // This interval is far shorter than that of a scrape, and avoids a measurement at every short step.
  constexpr auto kBetween = std::chrono::milliseconds(250);
  const auto now = std::chrono::steady_clock::now();
  if (now - measured_at_ < kBetween) return;
  measured_at_ = now;
  const memory::SystemMemory outside = memory::measure_system_memory(ledger_, nullptr, device_);
  // memory.budget, or the share of each rank of this host in the kernel's limit; and the memory of the
  // device.
  const double share = static_cast<double>(std::max<std::int64_t>(outside.cgroup_limit, 0)) / node_->size();
  const auto budget = static_cast<double>(budget_.value_or(0));
  mine.budget[0] = share > 0 && budget > 0 ? std::min(share, budget) : std::max(share, budget);
  mine.budget[1] = static_cast<double>(std::max<std::int64_t>(outside.device_total, 0));
  mine.resident = static_cast<double>(std::max<std::int64_t>(outside.resident, 0));
  mine.outside[0] = static_cast<double>(std::max<std::int64_t>(outside.outside_host, 0));
  if (outside.device_used >= 0)
    mine.outside[1] = static_cast<double>(
        std::max<std::int64_t>(outside.device_used - ledger_.live_total(Location::device), 0));
}

}  // namespace ebb::train
