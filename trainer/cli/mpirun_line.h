#pragma once
#include <string>
#include <utility>
#include <vector>

namespace ebb::cli {

// What decides how mpirun is called on this host.
struct LaunchHost {
  std::string mpirun;  // full path
  int major = 4;       // of Open MPI
  int slots = 1;       // what Open MPI counts as slots: the cores (not hardware threads) that we may use
  bool root = false;   // Open MPI starts nothing for root without being told so
  bool remote_shell = true;  // ssh or rsh is on PATH
  bool placed = false;       // a scheduler or a host file says where ranks go
  bool cross_memory = true;  // a process may read another's memory (forbidden in some containers)
};

// Finds mpirun and asks the system. Error(usage), saying what to install, where there is no mpirun or it is
// another MPI's.
LaunchHost look_at_launch_host();

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

// Full path of a program on PATH, empty when there is none.
std::string find_on_path(const std::string& program);
// "mpirun (Open MPI) 4.1.4", the first line of `mpirun --version`; empty when it cannot be run.
std::string mpirun_version(const std::string& mpirun);
// Cores, hardware threads of one core counted once, that this process may run on; at least 1.
int usable_cores();
// Whether a process may read another's memory, as Open MPI does for large messages: some containers forbid
// it.
bool may_read_process_memory();
// Full path of the running program. Error(internal) when its file was removed or replaced meanwhile.
std::string own_binary();

}  // namespace ebb::cli
