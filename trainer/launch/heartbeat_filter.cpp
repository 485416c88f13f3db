// SPDX-License-Identifier: Apache-2.0
#include "launch/heartbeat_filter.h"

#include <utility>

namespace ebb::launch {

std::string HeartbeatFilter::feed(std::string_view text, const Use& use) {
  using telemetry::kHeartbeatMark;
  std::string out;
  const std::string all = std::exchange(held_, {}) + std::string(text);
  for (std::string_view rest = all; !rest.empty();) {
    const std::size_t at = rest.find(kHeartbeatMark.front());
    out += rest.substr(0, at);
    if (at == std::string_view::npos) break;
    rest.remove_prefix(at);
    const std::string_view begin = rest.substr(0, kHeartbeatMark.size());
    const bool may_be_one = kHeartbeatMark.starts_with(begin);
    const std::size_t end = rest.substr(0, telemetry::kLongestHeartbeat).find('\n');
    if (may_be_one && end == std::string_view::npos && rest.size() < telemetry::kLongestHeartbeat) {
      held_ = rest;
      break;
    }
    const auto line = may_be_one && end != std::string_view::npos
                          ? telemetry::parse_heartbeat(rest.substr(0, end))
                          : std::nullopt;
    if (line) use(*line);
    if (!line) out += rest.front();
    rest.remove_prefix(line ? end + 1 : 1);
  }
  return out;
}

std::string HeartbeatFilter::flush() {
  return std::exchange(held_, {});
}

}  // namespace ebb::launch
