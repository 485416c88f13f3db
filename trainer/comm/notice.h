#pragma once
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

#include "memory/classes.h"

namespace ebb::comm {

// What a rank tells every other one when it starts an operation: the same on all ranks but for `numel` of a
// gathered text and the payload.
struct Notice {
  static constexpr std::size_t kLabelBytes = 96;
  static constexpr std::size_t kPayloadBytes = 64;
  std::uint64_t sequence = 0;
  std::uint64_t label_hash = 0;
  std::int64_t numel = 0;
  std::int32_t root = 0;
  std::uint8_t kind = 0;
  std::uint8_t op = 0;
  std::int8_t dtype = 0;
  std::uint8_t stage = 0;            // memory::Stage that the rank was in
  char label[kLabelBytes] = {};      // cut, for people; label_hash is over the whole
  char payload[kPayloadBytes] = {};  // small texts travel in the notice itself
};

// The operation under way, for errors and for its time limit.
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

// The notice of an operation; kind, op, dtype, numel and root are the caller's to fill in.
Notice make_notice(const Operation& operation);

// What the rank was doing when it sent the notice.
memory::Stage stage_of(const Notice& notice);

}  // namespace ebb::comm
