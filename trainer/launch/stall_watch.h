// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <string>
#include <vector>

#include "telemetry/heartbeat_line.h"

namespace ebb::launch {

// Decides from the heartbeats of the ranks whether all of them stand still. The caller passes the time.
class StallWatch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  // Until a rank begins a step, the limit is at least this: mpirun starts the ranks, which load libraries,
  // plan their memory and measure the machine.
  static constexpr double kLeastStart_s = 60;

  // `limit_s`: without progress of any rank; 0: they never count as standing still.
  StallWatch(int ranks, double limit_s, Time start);
  // How often ranks shall report at most. Without a limit too: it shows whether the run had begun.
  static std::chrono::milliseconds heartbeat_period(double limit_s);

  void report(const telemetry::HeartbeatLine& line, Time now);  // this rank has made progress
  // Call it several times within the limit. If it was called late, this process was stopped too, with its
  // container or machine. The time between then does not count.
  bool is_stalled(Time now);
  [[nodiscard]] bool has_begun() const { return started_; }  // a rank has reported
  // The longest time until the next call of is_stalled().
  [[nodiscard]] std::chrono::milliseconds longest_wait() const;
  // Where each rank was last, those that the others wait for first.
  [[nodiscard]] std::string describe(Time now) const;

 private:
  struct Last {
    telemetry::HeartbeatLine line;
    Time time;
    bool reported = false;
  };
  [[nodiscard]] double limit_s() const;  // that holds now
  [[nodiscard]] bool is_waiting(const Last& last) const;

  double limit_s_;
  std::vector<Last> ranks_;
  Time progress_;  // the last of any rank
  Time checked_;
  bool started_ = false;   // a rank has reported
  bool training_ = false;  // a rank has begun a step
};

}  // namespace ebb::launch
