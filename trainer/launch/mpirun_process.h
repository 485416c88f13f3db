// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>

#include "launch/mpirun_command.h"
#include "launch/scoped_signal_block.h"
#include "launch/verdict.h"

namespace ebb::launch {

// The effect of a second SIGTERM. A second SIGINT (Ctrl-C) always ends the run at once.
enum class RepeatedSigterm {
  ends_now,   // a person sends it
  is_ignored  // a scheduler repeats SIGTERM, and sends SIGKILL after its grace period
};

// What ends a run apart from mpirun itself.
struct RunRules {
  RepeatedSigterm repeated_sigterm = RepeatedSigterm::ends_now;
  int ranks = 1;
  double stall_s = 0;  // without a heartbeat of any rank (launch/stall_watch.h); 0: it may stand still
};

// Runs mpirun and waits for its end. mpirun has a new process group and no standard input. Its standard
// output is the terminal of this process, or passes through an OutputBuffer. Its standard error passes
// through HeartbeatFilter and NoiseFilter. It receives SIGTERM when this process ends. SIGPIPE must be
// ignored. If all ranks stand still, it receives SIGTERM, and SIGKILL after 15 s.
//
// Signals: it forwards the first SIGINT, SIGTERM, SIGHUP (unless ignored) or SIGUSR1 as SIGUSR1 to mpirun,
// which forwards it to every rank. The second SIGINT, or SIGTERM with RepeatedSigterm::ends_now, is forwarded
// as SIGTERM. Each further one kills all ranks. Other signals then have no effect. SIGUSR2 is forwarded as
// it is. `say` receives a message about each action. The process must have no thread but the calling one.
RunEnd run_mpirun(const LaunchHost& host, const MpirunCommand& command, const ScopedSignalBlock& signals,
                  const RunRules& rules, const std::function<void(const std::string&)>& say);

}  // namespace ebb::launch
