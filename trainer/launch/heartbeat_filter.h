// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <string_view>

#include "telemetry/heartbeat_line.h"

namespace ebb::launch {

// Takes the heartbeats of the ranks out of mpirun's standard error. All other text passes unchanged, also on
// both sides of a heartbeat that is in the middle of a line.
class HeartbeatFilter {
 public:
  using Use = std::function<void(const telemetry::HeartbeatLine&)>;
  // Calls `use` with each complete heartbeat. Returns the part of the held text and of `text` that is none.
  std::string feed(std::string_view text, const Use& use);
  // Returns what was held: the beginning of a heartbeat, which no more text follows.
  std::string flush();

 private:
  std::string held_;
};

}  // namespace ebb::launch
