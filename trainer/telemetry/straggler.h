// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "memory/classes.h"

namespace ebb::telemetry {

// The rank that the other ranks waited for in a step.
struct Straggler {
  int rank = 0;
  memory::Stage stage = memory::Stage::setup;  // the stage with most of its excess
  double costs_s = 0;  // its own time minus the median of the others: the delay of the step
  double step_s = 0;   // duration of the step on the slowest rank, including waiting
};

// Finds the straggler of a step. `ranks`: the seconds of each rank by stage. A rank's own time
// excludes `reduce`, in which it mostly waits. The straggler is the rank with the most own time, if
// it costs more than a tenth of the step and more than 5 ms; nullopt otherwise. All times are the
// host's: pending GPU work counts where the host waits for it.
std::optional<Straggler> find_straggler(const std::vector<memory::StageSeconds>& ranks);

// Reports a rank that is slow for many steps: the straggler in at least half of the last 20 steps.
// It reports the same rank again only after 500 more steps. One thread.
class StragglerWatch {
 public:
  // `hosts`: host name of each rank.
  explicit StragglerWatch(std::vector<std::string> hosts) : hosts_(std::move(hosts)) {}
  // Call it once a step, in order. Returns the text to show, if any.
  std::optional<std::string> observe(std::int64_t step, const std::optional<Straggler>& found);

 private:
  std::vector<std::string> hosts_;
  std::deque<std::optional<Straggler>> recent_;
  std::vector<std::int64_t> silent_until_ = std::vector<std::int64_t>(hosts_.size(), 0);
};

}  // namespace ebb::telemetry
