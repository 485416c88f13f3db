#pragma once
#include <string>

namespace ebb::launch {

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
LaunchHost inspect_launch_host();

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

}  // namespace ebb::launch
