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
  memory::Stage stage = memory::Stage::setup;  // the stage with the largest part of the delay
  double delay_s = 0;  // its time without waiting minus the median of all other ranks: the delay of the step
  double step_s = 0;   // duration of the step on the slowest rank, including waiting
};

// Finds the straggler of a step. `ranks`: the seconds of each rank by stage. The busy time of a rank excludes
// `reduce`, in which it mostly waits. The straggler is the rank with the longest busy time, if it delays the
// step by more than a tenth and more than 5 ms; nullopt otherwise. All times are host times: pending GPU work
// counts in the stage in which the host waits for it.
std::optional<Straggler> find_straggler(const std::vector<memory::StageSeconds>& ranks);

// Reports a rank that is the straggler in at least 15 of the last 20 steps. If another rank is it a third as
// often or more, none of them is slow: they wait for each other in turn. That is reported once for all of
// them, if they delay 10 of these steps. So is a rank that follows another one within 500 steps of its
// report. Nothing is repeated within 500 steps. One thread.
class StragglerWatch {
 public:
  // `hosts`: host name of each rank.
  explicit StragglerWatch(std::vector<std::string> hosts) : hosts_(std::move(hosts)) {}
  // Call it once per step, in order. Returns the text to show, if any.
  std::optional<std::string> observe(std::int64_t step, const std::optional<Straggler>& found);

 private:
  struct Late {
    int rank = 0;
    int steps = 0;  // of the last ones
  };
  [[nodiscard]] std::vector<Late> late_ranks() const;
  [[nodiscard]] std::string name_of(int rank) const;
  [[nodiscard]] std::string describe(const Late& late) const;
  [[nodiscard]] std::string describe(std::vector<Late> in_turn) const;
  [[nodiscard]] std::string delay(std::optional<int> rank) const;

  std::vector<std::string> hosts_;
  std::deque<std::optional<Straggler>> recent_;
  std::optional<int> reported_;  // the rank of the last report; none: of several ranks
  std::int64_t silent_until_ = 0;
};

}  // namespace ebb::telemetry
