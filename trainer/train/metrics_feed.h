#pragma once
#include <ATen/ATen.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <memory>

#include "comm/world.h"
#include "memory/ledger.h"
#include "step/step.h"
#include "telemetry/board.h"
#include "telemetry/exposition.h"
#include "train/config.h"

namespace ebb::train {

// What the metrics port tells (telemetry.port): each rank puts its numbers where the first rank of its host
// serves them from, rank 0 those of the run too. Where the port is 0 it does nothing.
class MetricsFeed {
 public:
  // Collective. Error(usage) where a port cannot be served.
  MetricsFeed(const Config& config, comm::World& world, memory::Ledger& ledger, at::Device device);

  // Steps done before, and what one sample a second is of all that the devices can do (0: not known).
  void begin(std::int64_t first_step, double mfu_per_sample);
  void step(const step::StepReport& report);
  void evaluated(double test_loss);
  // A checkpoint is whole; `seconds` 0: another process made it, at the time of its files.
  void saved(const std::filesystem::path& folder, double seconds);
  void close_step();  // when all that followed a step is done

  // The time of what is done between steps.
  class Spent {
   public:
    Spent(MetricsFeed& feed, memory::Stage stage) : feed_(feed), stage_(stage) {}
    ~Spent() { feed_.spent(stage_, seconds()); }
    Spent(const Spent&) = delete;
    Spent& operator=(const Spent&) = delete;
    [[nodiscard]] double seconds() const {
      return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    }

   private:
    MetricsFeed& feed_;
    memory::Stage stage_;
    std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  };

 private:
  void spent(memory::Stage stage, double seconds);
  void tell_memory();

  const Config& config_;
  memory::Ledger& ledger_;
  std::unique_ptr<telemetry::NodeBoard> board_;
  std::unique_ptr<telemetry::RunNumbers> run_;  // rank 0's
  std::unique_ptr<telemetry::MetricsPort> port_;
  double mfu_per_sample_ = 0;
  std::chrono::steady_clock::time_point asked_;  // when the kernel was, for what the account does not know
};

}  // namespace ebb::train
