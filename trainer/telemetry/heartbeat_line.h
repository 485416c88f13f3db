// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "memory/classes.h"

namespace ebb::telemetry {

// Where the training thread of a rank is. A rank sends it to `ebb launch` as a line on standard error:
// kHeartbeatMark, rank, step, stage and host, separated by spaces, then kHeartbeatEnd. mpirun may forward the
// halves of a line with the text of another rank between them; the end shows that nothing is missing.
struct HeartbeatLine {
  int rank = 0;
  std::int64_t step = -1;  // from 0; -1: before the first
  memory::Stage stage = memory::Stage::setup;
  std::string host;
};

// Begins with a control character, which messages of ebb never have.
inline constexpr std::string_view kHeartbeatMark =
    "\x1e"
    "ebb-heartbeat ";
inline constexpr char kHeartbeatEnd = '\x1e';
inline constexpr std::size_t kLongestHeartbeat = 512;  // bytes, with mark and newline

// With mark and newline.
std::string format_heartbeat(const HeartbeatLine& line);
// `text`: with the mark, without the newline. nullopt if it is no such line.
std::optional<HeartbeatLine> parse_heartbeat(std::string_view text);

}  // namespace ebb::telemetry
