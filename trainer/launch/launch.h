// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "launch/mpirun_command.h"
#include "models/family.h"

namespace ebb::launch {

// What the command line of `ebb launch` asks for. Durations are texts, such as "600s".
struct LaunchOptions {
  LaunchPlan plan;
  bool print_only = false;
  std::string wait;
  int port = 22;
  bool preflight = false;
  bool supervise = false;
  int restarts = 5;
  std::string restart_pause = "5s";
  std::string attempt = "1";
  std::string termination_message;
  std::string config;
  std::vector<std::string> overrides;
};

// Starts mpirun, supervises it, and starts it again where the options say so. Returns the exit code of the
// run. `report` gets each message for a person, warnings included. Error(usage) where the options or the
// configuration are wrong, Error(communication) where hosts do not answer, Error(stopped) where a signal
// asked for the end before mpirun was started. The calling thread has to be the only one of the process.
ExitCode launch(LaunchOptions options, const models::Families& families,
                const std::function<void(const std::string&)>& report);

}  // namespace ebb::launch
