// SPDX-License-Identifier: Apache-2.0
#include "launch/restart_policy.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/units.h"

namespace ebb::launch {
namespace {

constexpr double kMaxPause_s = 300;

std::string checkpoint_text(std::int64_t step) {
  return step < 0 ? "from the beginning: there is no checkpoint yet"
                  : fmt::format("from the checkpoint of step {}", step);
}

// Returns why the run ended, for the message that announces the restart.
std::string reason(const Verdict& verdict, const ErrorReport& error) {
  if (!verdict.message.empty()) return verdict.message;
  if (verdict.code == ExitCode::stopped)
    return "a rank was asked to stop, for example because its pod or host is removed; its step was saved";
  return fmt::format("ended with code {}{}{}", static_cast<int>(verdict.code), error.text.empty() ? "" : ": ",
                     error.text);
}

}  // namespace

bool RestartPolicy::is_retryable(ExitCode code) {
  return code == ExitCode::communication || code == ExitCode::storage || code == ExitCode::stopped;
}

std::optional<double> RestartPolicy::grant_restart(ExitCode code, std::int64_t saved_step) {
  if (!is_retryable(code)) return std::nullopt;
  if (saved_step > step_) spent_ = 0;
  step_ = std::max(step_, saved_step);
  if (spent_ >= limit_) return std::nullopt;
  double pause_s = pause_s_;
  for (int i = 0; i < spent_ && pause_s < kMaxPause_s; ++i) pause_s *= 2;
  ++spent_;
  return std::min(pause_s, std::max(kMaxPause_s, pause_s_));
}

RunOutcome run_with_restarts(const RestartCallbacks& callbacks, int restarts, double pause_s) {
  RestartPolicy policy(restarts, pause_s, callbacks.saved_step());
  for (;;) {
    const RunEnd end = callbacks.run();
    RunOutcome outcome{verdict(end), end.error};
    if (end.stop_requests > 0 || !RestartPolicy::is_retryable(outcome.verdict.code)) return outcome;
    const std::int64_t saved = callbacks.saved_step();
    const std::optional<double> pause = policy.grant_restart(outcome.verdict.code, saved);
    if (!pause) {
      outcome.verdict.message += outcome.verdict.message.empty() ? "" : "\n  ";
      outcome.verdict.message +=
          policy.limit() == 0
              ? std::string("not started again: --restarts 0")
              : fmt::format(
                    "not started again: {} restart{} in a row brought no newer checkpoint (--restarts)",
                    policy.limit(), policy.limit() == 1 ? "" : "s");
      return outcome;
    }
    callbacks.say(fmt::format("{}\n  starting again in {}, {} ({} of {} without a newer checkpoint)",
                              reason(outcome.verdict, outcome.error), format_duration(*pause),
                              checkpoint_text(saved), policy.spent(), policy.limit()));
    if (callbacks.stop_within(*pause)) {
      return {{ExitCode::stopped, fmt::format("stopped while no rank was running; run it again to go on {}",
                                              checkpoint_text(saved))},
              {}};
    }
    callbacks.wait_for_hosts();
  }
}

}  // namespace ebb::launch
