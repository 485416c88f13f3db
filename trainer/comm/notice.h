// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "memory/classes.h"

namespace ebb::comm {

// The header that a rank sends to all others when it starts an operation. All fields are equal on
// all ranks, except the stage, the payload, and `count` of a gathered text or of a set-up.
struct Notice {
  static constexpr std::size_t kLabelBytes = 96;
  static constexpr std::size_t kPayloadBytes = 64;
  std::uint64_t sequence = 0;
  std::uint64_t label_hash = 0;
  std::int64_t count = 0;  // elements of a collective, bytes of a gathered text, or the pid of a set-up
  std::int32_t root = 0;
  std::uint8_t kind = 0;
  std::uint8_t op = 0;
  std::int8_t dtype = 0;
  std::uint8_t stage = 0;            // the rank's memory::Stage
  char label[kLabelBytes] = {};      // truncated, for messages; label_hash covers the full label
  char payload[kPayloadBytes] = {};  // a short text, sent within the notice

  // The sender's process, in the notice that sets up a transport: `count` holds it there.
  void set_pid(std::int64_t pid) { count = pid; }
  [[nodiscard]] std::int64_t pid() const { return count; }
};

// The current operation, for error messages and the time limit.
struct Operation {
  std::string what;   // "all_reduce"
  std::string label;  // "gradients decoder"
  std::uint64_t sequence = 0;
  std::int64_t bytes = 0;
  std::chrono::steady_clock::time_point started;
  double timeout_s = 0;
};

// "all_reduce \"gradients\" (number 41, 1048576 bytes)"
std::string describe(const Operation& operation);
// "all_reduce \"gradients\" (number 41, from stage backward)", or "nothing yet".
std::string describe(const Notice& notice);

// Makes the notice of an operation. The caller sets kind, op, dtype, count and root; Transport sets the
// stage.
Notice make_notice(const Operation& operation);

// The stage of the rank when it sent the notice.
memory::Stage stage_of(const Notice& notice);

}  // namespace ebb::comm
