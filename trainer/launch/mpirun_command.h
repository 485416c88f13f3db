// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "launch/launch_host.h"

namespace ebb::launch {

// mpirun with its environment and arguments.
struct MpirunCommand {
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> argv;
};

// How many ranks to start, on which hosts, and with which variables.
struct LaunchPlan {
  int ranks = 1;
  std::string hostfile;              // Open MPI's; empty: this host, or as Open MPI's own variables say
  std::vector<std::string> forward;  // names of variables to pass on to ranks on other hosts
};

// The mpirun command that starts `program` as the plan says. Ranks are bound to no core, since each has
// several threads. Root and more ranks than cores are allowed. A single host needs no remote shell.
MpirunCommand mpirun_command(const LaunchHost& host, const LaunchPlan& plan,
                             const std::vector<std::string>& program);

// The command as a person can type it into a shell: the environment first, each word quoted.
std::string shell_command(const MpirunCommand& command);

}  // namespace ebb::launch
