#pragma once
#include <cstdint>
#include <cstdio>
#include <functional>
#include <optional>
#include <string>

namespace ebb::telemetry {

struct ProgressState {
  std::int64_t step = 0;  // steps done
  double per_s = 0;
  const char* what = "samples";  // that are counted by the second
  double loss = 0;
  double scale = 1;
  std::int64_t peak_bytes = 0;
};

// What a person sees of a run, on rank 0. On a terminal one line that renews itself, at most ten times a
// second, never wider than the terminal; elsewhere a line every `every_s` seconds. Plain ASCII. One thread at
// a time.
class Progress {
 public:
  // Seconds from any fixed point; the default is the steady clock.
  using ClockFunction = std::function<double()>;
  // `terminal`: isatty of `out`. `columns` 0: asked of the terminal each time.
  Progress(std::FILE* out, bool terminal, std::int64_t total_steps, double every_s = 5,
           ClockFunction clock = {}, int columns = 0);
  ~Progress();  // finish()
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  void update(const ProgressState& state);
  void note(const std::string& text);  // whole lines above the progress line
  void finish();  // shows the last state and leaves it standing; what is updated afterwards starts a new line

 private:
  void show();
  void erase();
  [[nodiscard]] std::string line(int columns) const;
  [[nodiscard]] int columns() const;

  std::FILE* out_;
  bool terminal_;
  std::int64_t total_steps_;
  double every_s_;
  ClockFunction clock_;
  int columns_;
  ProgressState state_;
  std::optional<double> shown_s_;           // when the last line was shown
  std::optional<std::int64_t> first_step_;  // of the first update: time left is reckoned from there
  double first_s_ = 0;
  double now_s_ = 0;
  bool pending_ = false;   // the state is newer than the line
  bool standing_ = false;  // a line without newline stands on the terminal
};

}  // namespace ebb::telemetry
