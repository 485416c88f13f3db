#pragma once
#include <string>
#include <utility>
#include <vector>

#include "launch/launch_host.h"

namespace ebb::launch {

// mpirun with its environment and arguments.
struct LaunchLine {
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::string> argv;
};

// Where ranks go beyond this host, and what goes with them.
struct LaunchPlan {
  int ranks = 1;
  std::string hostfile;              // Open MPI's; empty: this host alone, or where its own variables say
  std::vector<std::string> forward;  // names of variables that ranks on other hosts get too
};

// The plan's ranks of `program`: they are bound to no core (each has threads of its own), root is allowed,
// more ranks than cores are allowed, and no remote shell is needed on a host alone.
LaunchLine mpirun_line(const LaunchHost& host, const LaunchPlan& plan,
                       const std::vector<std::string>& program);

// The line as a person can type it into a shell: quoted, the environment in front.
std::string shell_line(const LaunchLine& line);

}  // namespace ebb::launch
