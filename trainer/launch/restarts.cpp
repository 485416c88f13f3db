// SPDX-License-Identifier: Apache-2.0
#include "launch/restarts.h"

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

// Why the run ended, for the message that announces the restart.
std::string reason(const Verdict& verdict, const LastWords& words) {
  if (!verdict.message.empty()) return verdict.message;
  if (verdict.code == ExitCode::stopped)
    return "a rank was asked to stop, for example because its pod or host is removed; its step was saved";
  return fmt::format("ended with code {}{}{}", static_cast<int>(verdict.code), words.text.empty() ? "" : ": ",
                     words.text);
}

}  // namespace

bool Restarts::is_retryable(ExitCode code) {
  return code == ExitCode::communication || code == ExitCode::storage || code == ExitCode::stopped;
}

std::optional<double> Restarts::pause(ExitCode code, std::int64_t saved_step) {
  if (!is_retryable(code)) return std::nullopt;
  if (saved_step > step_) spent_ = 0;
  step_ = std::max(step_, saved_step);
  if (spent_ >= limit_) return std::nullopt;
  double pause_s = pause_s_;
  for (int i = 0; i < spent_ && pause_s < kMaxPause_s; ++i) pause_s *= 2;
  ++spent_;
  return std::min(pause_s, std::max(kMaxPause_s, pause_s_));
}

Ending run_with_restarts(const Supervised& supervised, int restarts, double pause_s) {
  Restarts granted(restarts, pause_s, supervised.saved_step());
  for (;;) {
    const RunEnd end = supervised.run();
    Ending ending{verdict(end), end.words};
    if (end.stop_requests > 0 || !Restarts::is_retryable(ending.verdict.code)) return ending;
    const std::int64_t saved = supervised.saved_step();
    const std::optional<double> pause = granted.pause(ending.verdict.code, saved);
    if (!pause) {
      ending.verdict.message += ending.verdict.message.empty() ? "" : "\n  ";
      ending.verdict.message +=
          granted.limit() == 0
              ? std::string("not started again: --restarts 0")
              : fmt::format(
                    "not started again: {} restart{} in a row brought no newer checkpoint (--restarts)",
                    granted.limit(), granted.limit() == 1 ? "" : "s");
      return ending;
    }
    supervised.say(fmt::format("{}\n  starting again in {}, {} ({} of {} without a newer checkpoint)",
                               reason(ending.verdict, ending.words), format_duration(*pause),
                               checkpoint_text(saved), granted.spent(), granted.limit()));
    if (supervised.stop_within(*pause)) {
      return {{ExitCode::stopped, fmt::format("stopped while no rank was running; run it again to go on {}",
                                              checkpoint_text(saved))},
              {}};
    }
    supervised.wait_for_hosts();
  }
}

}  // namespace ebb::launch
