// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "launch/mpirun_command.h"
#include "train/config.h"

namespace ebb::launch {

// The options of `ebb launch`. Durations are texts, such as "600s".
struct LaunchOptions {
  LaunchPlan plan;           // its `ranks` is ignored
  std::optional<int> ranks;  // without it the tasks of the Slurm job, else 1
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

// Starts mpirun, supervises it, and restarts it if the options allow it. Returns the exit code of the run.
// `report` receives each message for the user, warnings included. Error(usage) if the options or the
// configuration are wrong; Error(communication) if hosts do not answer; Error(stopped) if a signal requests a
// stop before mpirun starts. The process must have no thread but the calling one.
ExitCode launch(LaunchOptions options, const train::Registries& registries,
                const std::function<void(const std::string&)>& report);

}  // namespace ebb::launch
