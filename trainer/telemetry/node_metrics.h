// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "comm/world.h"
#include "memory/classes.h"
#include "telemetry/sample_unit.h"

namespace ebb::telemetry {

// A value in memory that several processes map.
using SharedValue = std::atomic<double>;
static_assert(SharedValue::is_always_lock_free, "processes share these values");

// The metrics of one rank. All are zero until the rank has written them for the first time.
struct RankMetrics {
  static constexpr int kLocations = 2;  // host, device, as memory::Ledger::Location counts them
  using ByClass = std::array<SharedValue, memory::kClasses>;
  std::atomic<bool> present;
  std::atomic<bool> device;  // it has a GPU
  std::atomic<int> rank;
  std::array<char, 64> uuid;  // of the GPU; written before `present`
  std::array<ByClass, kLocations> live, peak;
  std::array<SharedValue, kLocations> budget, outside;
  SharedValue resident, leaks, last_step;
  std::array<SharedValue, memory::kStages> seconds;

  void name_device(std::string_view gpu_uuid);
};

// Values of one phase in the last step.
struct PhaseGauges {
  std::string phase;
  SharedValue loss{0}, gradient_norm{0}, loss_scale{0}, learning_rate{0};
};

// Metrics of the whole run, which rank 0 writes.
struct RunMetrics {
  explicit RunMetrics(const std::vector<std::string>& phase_names) : phases(phase_names.size()) {
    for (std::size_t i = 0; i < phases.size(); ++i) phases[i].phase = phase_names[i];
  }
  std::atomic<bool> started{false};  // steps and samples include those before a resume
  std::atomic<bool> has_step{false}, has_test{false};
  SharedValue steps{0}, steps_target{0}, samples{0};
  SharedValue test_loss{0};
  std::vector<PhaseGauges> phases;  // at least one; their number and names are constant
  SharedValue overflows{0}, overflow_streak{0};
  SharedValue checkpoint_time{0}, checkpoint_bytes{0}, checkpoint_seconds{0};
  SharedValue utilization{0};  // model FLOPs utilisation; 0: unknown
  SharedValue ranks{0};
  SampleUnit unit;  // written before `started`
};

// The metrics of all ranks of a node, in shared memory. Each rank writes its metrics; the rank that serves
// the port reads all. They exchange no messages. The memory is a file in /dev/shm. Its name is removed before
// training begins, so no file remains however the ranks end. The name depends only on the user and the run
// folder. If a run is killed before the removal, the next run removes the file.
class NodeMetrics {
 public:
  // Collective. Error(storage): the file cannot be created, or /dev/shm is full.
  NodeMetrics(const comm::World& world, const std::filesystem::path& run_folder, double timeout_s);
  ~NodeMetrics();
  NodeMetrics(const NodeMetrics&) = delete;
  NodeMetrics& operator=(const NodeMetrics&) = delete;
  [[nodiscard]] RankMetrics& mine() { return ranks_[mine_]; }
  [[nodiscard]] const RankMetrics& of(int local_rank) const { return ranks_[local_rank]; }
  [[nodiscard]] int size() const { return size_; }  // ranks of the node
  [[nodiscard]] const std::string& node_name() const { return node_; }

 private:
  void create(const std::string& name);
  void open(const std::string& name);
  void map(int fd);

  std::string node_;
  int size_, mine_;
  std::size_t bytes_;
  RankMetrics* ranks_ = nullptr;
};

}  // namespace ebb::telemetry
