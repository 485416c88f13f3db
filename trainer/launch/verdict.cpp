// SPDX-License-Identifier: Apache-2.0
#include "launch/verdict.h"

#include <fmt/format.h>
#include <signal.h>

#include <cstring>

namespace ebb::launch {
namespace {

constexpr int kBySignal = 128;

// Returns the code of the first rank that called MPI_Abort if mpirun's code hides it, else mpirun's code.
// mpirun 4.1 may crash in its clean-up after the abort. Version 5 returns 1 after it has lost a host.
int first_code(const RunEnd& end) {
  const bool hidden = end.crashed || (end.error.host_lost && end.code == 1);
  return hidden && end.error.rank_reported && end.error.abort_code != 0 ? end.error.abort_code : end.code;
}

}  // namespace

Verdict verdict(const RunEnd& mpirun_end) {
  constexpr int kHostLost = 205;  // mpirun's: the connection to a daemon of it was lost
  RunEnd end = mpirun_end;
  end.code = first_code(mpirun_end);
  if (!end.stall.empty()) return {ExitCode::storage, end.stall};
  if (end.code == kBySignal + SIGUSR1 && end.stop_requests > 0) {
    return {ExitCode::stopped,
            "stopped before training began: there is nothing to save; run it again to continue"};
  }
  if (end.stop_requests >= 2 && end.code != 0 && end.code != static_cast<int>(ExitCode::stopped)) {
    return {ExitCode::communication,
            "ended at once on request: run it again to go on from the last complete checkpoint, or from the "
            "beginning if there is none"};
  }
  // mpirun's own failures have codes that ebb uses too: its 1 is not a fault of ebb.
  if (end.error.start == ErrorReport::Start::no_slots && !end.error.rank_reported) {
    return {
        ExitCode::usage,
        "mpirun has fewer slots than ranks: lower -n, or raise slots=N in the host file (the chart: workers "
        "x slotsPerWorker)"};
  }
  if (end.error.start == ErrorReport::Start::failed && !end.error.rank_reported) {
    return {
        ExitCode::communication,
        fmt::format("mpirun could not start ranks on every host (its code {}): a host is down, refuses ssh, "
                    "or has no ebb at the same path",
                    end.code)};
  }
  // Without a message of a rank, the code 1 is mpirun's too. A run that had begun is worth another try.
  if (end.code == 1 && !end.out_of_memory && end.began && !end.error.host_lost &&
      !end.error.a_rank_failed()) {
    return {ExitCode::communication,
            fmt::format("mpirun ended the run without a message of a rank (its code 1){}{}",
                        end.error.internal.empty() ? "" : ": ", end.error.internal)};
  }
  const bool refused = (end.error.start == ErrorReport::Start::refused && !end.began) ||
                       (end.code == 1 && !end.error.host_lost);
  if (refused && end.code != 0 && !end.out_of_memory && !end.error.a_rank_failed()) {
    std::string reason = !end.error.text.empty() ? end.error.text : end.error.internal;
    // mpirun of version 4 sometimes loses its message on a component that is missing.
    if (end.error.text.empty() && !end.chosen_components.empty())
      reason += fmt::format("{}perhaps this Open MPI lacks a component that {} asks for",
                            reason.empty() ? "" : "; ", end.chosen_components);
    return {ExitCode::usage,
            fmt::format("mpirun did not start the ranks (its code {}){}{}; `ebb doctor` checks this machine",
                        end.code, reason.empty() ? "" : ": ", reason)};
  }
  // mpirun returns the code of the killed rank, or of a rank that lost its connection to it.
  // Version 5 returns 0 or 1 after it has lost a host or could not reach it.
  const bool host_lost =
      end.error.host_lost && (end.code == 0 || (end.code == 1 && end.error.abort_code == 0));
  const bool lost = host_lost || end.code == kBySignal + SIGKILL || end.code == kHostLost ||
                    end.code == static_cast<int>(ExitCode::communication) ||
                    (end.code == 1 && !end.error.a_rank_failed());
  if (lost && end.out_of_memory) {
    return {
        ExitCode::memory,
        "the kernel killed a process for lack of memory: lower data.batch or raise data.micro_batches, start "
        "fewer ranks (-n), or give the machine or container more memory"};
  }
  if (host_lost) {
    return {ExitCode::communication,
            fmt::format("mpirun ended with code {} after it lost a host: {}", end.code,
                        end.error.loss.empty() ? "it does not say which" : end.error.loss)};
  }
  switch (end.code) {
    case kBySignal + SIGKILL:
      if (end.error.host_lost) break;
      if (end.forced && end.error.rank_reported) {
        return {ExitCode::communication,
                "a rank failed; mpirun still waited for a host that does not answer, and was killed"};
      }
      if (end.forced) {
        return {ExitCode::communication,
                "a rank was killed or crashed; mpirun reported it, did not end, and was killed"};
      }
      return {ExitCode::communication,
              "a rank was killed (SIGKILL) by a person, a scheduler or a container's memory limit: `ebb "
              "doctor` shows that limit"};
    case kBySignal + SIGSEGV:
    case kBySignal + SIGABRT:
    case kBySignal + SIGBUS:
    case kBySignal + SIGFPE:
    case kBySignal + SIGILL:
      return {
          ExitCode::internal,
          fmt::format(
              "a rank crashed (signal {}, {}): this is a fault of ebb or of a library that it uses; run it "
              "again to resume from the last checkpoint",
              end.code - kBySignal, ::strsignal(end.code - kBySignal))};
    default:
      break;
  }
  // The code of a rank, which has printed its own message.
  if ((end.code >= 0 && end.code <= static_cast<int>(ExitCode::storage)) ||
      end.code == static_cast<int>(ExitCode::stopped)) {
    return {static_cast<ExitCode>(end.code), {}};
  }
  const bool has_mpirun_text = !end.error.text.empty() && !end.error.rank_reported;
  return {ExitCode::communication,
          fmt::format(
              "mpirun ended with code {}, which no rank of ebb returns: {}; `ebb doctor` checks this machine",
              end.code,
              has_mpirun_text               ? end.error.text
              : !end.error.loss.empty()     ? end.error.loss
              : !end.error.internal.empty() ? end.error.internal
                                            : "a rank, or the connection to its host, was lost")};
}

}  // namespace ebb::launch
