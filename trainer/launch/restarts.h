#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "launch/supervise.h"

namespace ebb::launch {

// Whether a run that has ended is started again, and after how long: after what another try may mend (a lost
// rank or host, storage, a stop that one rank was asked for), so many times without a newer checkpoint.
class Restarts {
 public:
  // `pause_s`: before the first; each further one without progress waits twice as long, at most five minutes.
  Restarts(int limit, double pause_s, std::int64_t saved_step)
      : limit_(limit), pause_s_(pause_s), step_(saved_step) {}
  // Of a run that ended with `code`, when the newest checkpoint is of `saved_step`. nullopt: not again.
  std::optional<double> pause(ExitCode code, std::int64_t saved_step);
  [[nodiscard]] int spent() const { return spent_; }  // since the last progress, the one granted included
  [[nodiscard]] int limit() const { return limit_; }
  static bool is_retryable(ExitCode code);

 private:
  int limit_;
  double pause_s_;
  std::int64_t step_;
  int spent_ = 0;
};

// What keep_going works with; all of it is called on the calling thread.
struct Supervised {
  std::function<RunEnd()> run;                  // mpirun, once, to its end
  std::function<void()> wait_for_hosts;         // before it is run again; an Error ends all
  std::function<std::int64_t()> saved_step;     // of the newest checkpoint, -1: none
  std::function<bool(double)> stop_within;      // waits; true: asked to stop meanwhile
  std::function<void(const std::string&)> say;  // for a person
};

// How it all ended: what the command ends with, and what the last run said.
struct Ending {
  Verdict verdict;
  LastWords words;
};

// Runs it, and again as long as Restarts grants it and nobody asks to stop.
Ending keep_going(const Supervised& supervised, int restarts, double pause_s);

}  // namespace ebb::launch
