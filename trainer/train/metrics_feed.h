// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "memory/ledger.h"
#include "telemetry/metrics_port.h"
#include "telemetry/node_metrics.h"
#include "train/config.h"
#include "train/run_listener.h"
#include "train/utilization.h"

namespace ebb::train {

// Feeds the metrics port (telemetry.port). Each rank writes its metrics into memory that the ranks of its
// host share; the first rank of the host serves them. Rank 0 also writes the metrics of the run. With port 0
// a MetricsFeed does nothing.
class MetricsFeed final : public RunListener {
 public:
  // Collective. Error(communication): a port cannot be opened. Error(storage): /dev/shm is full. `phases`:
  // their names.
  MetricsFeed(const Config& config, comm::World& world, memory::Ledger& ledger, at::Device device,
              const std::vector<std::string>& phases);
  void started(const RunStart& start) override;
  void stepped(const step::StepReport& report) override;
  void evaluating(std::int64_t) override {}
  void evaluated(std::int64_t steps, const Evaluation& result, double seconds) override;
  void sampled() override {}
  void saved(const std::filesystem::path& checkpoint, double seconds) override;
  void step_completed(std::int64_t step) override;
  void rolled_back(const Rollback& rollback) override;
  void ended(const std::string&) override {}

 private:
  void spent(memory::Stage stage, double seconds);
  void publish_checkpoint(const std::filesystem::path& checkpoint, double seconds);
  void publish_memory();

  memory::Ledger& ledger_;
  at::Device device_;
  std::optional<std::int64_t> budget_;  // memory.budget
  std::unique_ptr<telemetry::NodeMetrics> node_;
  std::unique_ptr<telemetry::RunMetrics> run_;  // rank 0's
  std::unique_ptr<telemetry::MetricsPort> port_;
  std::int64_t samples_per_step_ = 0;
  Utilization utilization_;
  // Time of the last call of memory::measure_system_memory().
  std::chrono::steady_clock::time_point measured_at_;
};

}  // namespace ebb::train
