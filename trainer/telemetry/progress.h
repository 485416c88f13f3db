// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

#include "base/terminal.h"

namespace ebb::telemetry {

struct ProgressState {
  std::int64_t step = 0;  // steps done
  double per_s = 0;
  std::string unit = "samples";  // of `per_s`
  double loss = 0;
  double scale = 1;
  std::int64_t peak_bytes = 0;
};

// Shows the progress of a run, on rank 0. On a terminal with escapes it updates one line in place, at
// most ten times a second. On another screen it prints a line every `every_s` seconds. On a terminal no line
// is wider than that. Plain ASCII. One thread at a time.
class Progress {
 public:
  // Seconds since any fixed point. The default is the steady clock.
  using ClockFunction = std::function<double()>;
  // `out` must outlive the object. `screen`: where it appears. `columns` 0: that of the standard output,
  // read at each update.
  Progress(std::FILE* out, Screen screen, std::int64_t total_steps, double every_s = 5,
           ClockFunction clock = {}, int columns = 0);
  ~Progress();  // finish()
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(const ProgressState& state);
  // Shows on the line what the run does between two steps, such as "evaluating", until end_work() or
  // update(). Without a line that is updated, it prints a line if the last one is older than `every_s`.
  void begin_work(const std::string& what);
  void end_work() { work_.clear(); }
  // Prints whole lines above the progress line, wrapped.
  void note(const std::string& text);
  // Shows the last state and ends its line. A later update() starts a new line.
  void finish();

 private:
  void show();
  void erase();
  [[nodiscard]] std::string line(int columns) const;
  [[nodiscard]] bool updates_in_place() const { return screen_ == Screen::full; }
  [[nodiscard]] int columns() const;

  std::FILE* out_;
  Screen screen_;
  std::int64_t total_steps_;
  double every_s_;
  ClockFunction clock_;
  int columns_;
  ProgressState state_;
  std::string work_;                        // between two steps; empty: none
  std::optional<double> shown_s_;           // time of the last line
  std::optional<std::int64_t> first_step_;  // of the first update; the time left is computed from it
  double first_s_ = 0;
  double now_s_ = 0;
  bool pending_ = false;    // the state is newer than the line
  bool line_open_ = false;  // the terminal shows a line without newline
};

}  // namespace ebb::telemetry
