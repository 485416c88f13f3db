// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "launch/mpirun_process.h"

namespace ebb::launch {

// Decides whether an ended run is restarted, and after which pause. Codes 5, 8 and 75 can be retried. The
// caller must not ask after a stop request to the launcher itself, which this class does not know. At most
// `limit` restarts follow each other without a newer checkpoint.
class RestartPolicy {
 public:
  // `pause_s`: before the first restart; it doubles with each restart without progress, up to five minutes.
  RestartPolicy(int limit, double pause_s, std::int64_t saved_step)
      : limit_(limit), pause_s_(pause_s), step_(saved_step) {}
  // Grants and counts a restart of a run that ended with `code`, and returns the pause before it; nullopt: no
  // restart. `saved_step` is the step of the newest checkpoint. A newer one first resets the count.
  std::optional<double> grant_restart(ExitCode code, std::int64_t saved_step);
  [[nodiscard]] int spent() const {
    return spent_;
  }  // since the last progress, including the last one granted
  [[nodiscard]] int limit() const { return limit_; }
  static bool is_retryable(ExitCode code);

 private:
  int limit_;
  double pause_s_;
  std::int64_t step_;
  int spent_ = 0;
};

// The callbacks of run_with_restarts(). It calls them on the calling thread.
struct RestartCallbacks {
  std::function<RunEnd()> run;                  // runs mpirun once, to its end
  std::function<void()> wait_for_hosts;         // before each restart; may throw Error
  std::function<std::int64_t()> saved_step;     // of the newest checkpoint; -1: none
  std::function<bool(double)> stop_within;      // waits for seconds; true: a signal requested a stop
  std::function<void(const std::string&)> say;  // prints a message
};

// The verdict on the last run, and its error report.
struct RunOutcome {
  Verdict verdict;
  ErrorReport error;
};

// Calls `callbacks.run` until it succeeds, fails in a way that a retry cannot fix, has no restarts
// left, or receives a stop request.
RunOutcome run_with_restarts(const RestartCallbacks& callbacks, int restarts, double pause_s);

}  // namespace ebb::launch
