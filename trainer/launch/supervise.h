// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>

#include "launch/mpirun_command.h"
#include "launch/scoped_signal_block.h"
#include "launch/verdict.h"

namespace ebb::launch {

// Who controls the run decides how a second request to stop is treated.
enum class RunMode {
  interactive,  // a second Ctrl-C or SIGTERM ends the run at once
  batch         // a scheduler sends SIGTERM repeatedly, and SIGKILL after its grace period
};

// Runs mpirun and waits for its end. mpirun gets its own process group, no standard input and our standard
// output; its standard error passes through NoiseFilter. It receives SIGTERM when this process dies.
//
// Signals: SIGINT, SIGTERM, SIGHUP (unless ignored) and SIGUSR1 to this process become SIGUSR1 to mpirun,
// which passes it on to every rank. After a SIGINT or SIGTERM, a second one becomes SIGTERM to mpirun, and
// each further one kills all ranks; SIGTERM counts only in an interactive run. `say` gets a message about
// each action. The calling thread has to be the only one of the process.
RunEnd run_supervised(const LaunchHost& host, const MpirunCommand& command, const ScopedSignalBlock& signals,
                      RunMode mode, const std::function<void(const std::string&)>& say);

}  // namespace ebb::launch
