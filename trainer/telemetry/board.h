// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "comm/world.h"
#include "memory/classes.h"

namespace ebb::telemetry {

using Number = std::atomic<double>;
static_assert(Number::is_always_lock_free, "ranks share these numbers between processes");

// What one rank tells the metrics port of its node. All zero is a rank that has not said anything yet.
struct RankNumbers {
  static constexpr int kPlaces = 2;  // host, device, as memory::Ledger::Place counts them
  using ByClass = std::array<Number, memory::kClasses>;
  std::atomic<bool> present;
  std::atomic<bool> device;  // it has a GPU
  std::atomic<int> rank;
  std::array<char, 64> uuid;  // of the GPU; written before `present`
  std::array<ByClass, kPlaces> live, peak;
  std::array<Number, kPlaces> budget, outside;
  Number resident, leaks, last_step;
  std::array<Number, memory::kStages> seconds;

  void name_device(std::string_view gpu_uuid);
};

// The last step's, of one phase.
struct PhaseNumbers {
  std::string phase;
  Number loss{0}, gradient_norm{0}, loss_scale{0}, learning_rate{0};
};

// What rank 0 tells of the whole run.
struct RunNumbers {
  explicit RunNumbers(const std::vector<std::string>& phase_names) : phases(phase_names.size()) {
    for (std::size_t i = 0; i < phases.size(); ++i) phases[i].phase = phase_names[i];
  }
  std::atomic<bool> begun{false};  // where it goes on from is known, so that no counter runs twice
  std::atomic<bool> has_step{false}, has_test{false};
  Number steps{0}, steps_target{0}, samples{0}, tokens{0};
  Number test_loss{0};
  std::vector<PhaseNumbers> phases;  // at least one; their number and names are constant
  Number overflows{0}, overflow_streak{0};
  Number checkpoint_time{0}, checkpoint_bytes{0}, checkpoint_seconds{0};
  Number utilization{0};  // model FLOPs utilisation; 0: not known
  Number ranks{0};
  bool is_text = false;
};

// The numbers of all ranks of a node, in memory that they share. Each rank writes its own numbers; the rank
// that serves the port reads all. They exchange no messages. The memory is a file in /dev/shm. Its name is
// removed before training begins, so nothing stays however the ranks end. The name depends only on the user
// and the run folder: a run that is killed before the removal leaves a file that the next run removes.
class NodeBoard {
 public:
  // Collective. Error(storage): the file cannot be made, or /dev/shm has no room for it.
  NodeBoard(const comm::World& world, const std::filesystem::path& run_folder, double timeout_s);
  ~NodeBoard();
  NodeBoard(const NodeBoard&) = delete;
  NodeBoard& operator=(const NodeBoard&) = delete;
  [[nodiscard]] RankNumbers& mine() { return ranks_[mine_]; }
  [[nodiscard]] const RankNumbers& of(int local_rank) const { return ranks_[local_rank]; }
  [[nodiscard]] int size() const { return size_; }  // ranks of the node
  [[nodiscard]] const std::string& node() const { return node_; }

 private:
  void create(const std::string& name);
  void open(const std::string& name);
  void map(int fd);

  std::string node_;
  int size_, mine_;
  std::size_t bytes_;
  RankNumbers* ranks_ = nullptr;
};

}  // namespace ebb::telemetry
