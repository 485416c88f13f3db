// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <chrono>
#include <cstdint>
#include <string>

namespace ebb::telemetry {

// Shows the progress of a command on standard error. On a terminal with escapes it updates one line in place,
// no wider than that; elsewhere it prints a line every few seconds. Call done() before any other output: it
// ends the line.
class ProgressLine {
 public:
  // `what` is a participle: "packing"; `unit` a plural: "samples", or "bytes".
  ProgressLine(std::string what, std::string unit);
  ~ProgressLine() { done(); }
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;
  void show(std::int64_t done, std::int64_t total);
  void done();

 private:
  using Clock = std::chrono::steady_clock;
  const std::string what_, unit_;
  const bool in_place_;  // a terminal with escapes
  const Clock::time_point start_;
  Clock::time_point next_;
  bool open_ = false;  // the terminal shows a line without newline
};

}  // namespace ebb::telemetry
