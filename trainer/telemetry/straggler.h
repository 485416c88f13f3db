#pragma once
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "memory/classes.h"

namespace ebb::telemetry {

// The rank that the others of a step waited for.
struct Straggler {
  int rank = 0;
  memory::Stage stage = memory::Stage::setup;  // where most of its excess went
  double costs_s = 0;  // its own time less the median of the others': what the step would gain without it
  double step_s = 0;   // the longest rank's, waiting included
};

// `ranks`: each rank's seconds of a step. A rank's own time is all but `reduce`, in which it mostly waits.
// Named is the rank of the most own time, where it costs more than a tenth of the step and 5 ms. Host time:
// work that a GPU still has to do when the host goes on counts as the wait that it causes.
std::optional<Straggler> straggler(const std::vector<memory::StageSeconds>& ranks);

// Tells a person of a rank that stays slow, not of one slow step: when a rank was the straggler in at least
// half of the last 20 steps; of the same rank again only 500 steps later.
class StragglerWatch {
 public:
  explicit StragglerWatch(std::vector<std::string> hosts) : hosts_(std::move(hosts)) {}
  // Once a step, in order. The text to show, if any.
  std::optional<std::string> observe(std::int64_t step, const std::optional<Straggler>& found);

 private:
  std::vector<std::string> hosts_;  // by rank
  std::deque<std::optional<Straggler>> recent_;
  std::vector<std::int64_t> silent_until_ = std::vector<std::int64_t>(hosts_.size(), 0);
};

}  // namespace ebb::telemetry
