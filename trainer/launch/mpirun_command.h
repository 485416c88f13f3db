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

// The number of ranks, their hosts, and the variables to pass on to them.
struct LaunchPlan {
  int ranks = 1;
  std::string hostfile;              // Open MPI's; empty: this host, or as Open MPI's variables say
  std::vector<std::string> forward;  // names of variables to pass on to ranks on other hosts
};

// Makes the mpirun command that starts `program` according to the plan. It does not bind ranks to cores,
// since each rank has several threads. It allows root, and more ranks than cores. A single host needs no
// remote shell.
MpirunCommand mpirun_command(const LaunchHost& host, const LaunchPlan& plan,
                             const std::vector<std::string>& program);

// Formats the command for a shell: the environment first, each word quoted.
std::string shell_command(const MpirunCommand& command);

}  // namespace ebb::launch
