// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace ebb::launch {

// hwloc reads the list of the plugins that it must not open from this variable.
inline constexpr const char* kPluginList = "HWLOC_PLUGINS_BLACKLIST";

// Open MPI refuses to run as root without these two, of which version 5 needs them even for --version.
inline constexpr std::array<std::pair<const char*, const char*>, 2> kRootVariables{
    {{"OMPI_ALLOW_RUN_AS_ROOT", "1"}, {"OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1"}}};

// The properties of this host that decide mpirun's arguments.
struct LaunchHost {
  std::string mpirun;  // full path
  int major = 4;       // of Open MPI
  int slots = 1;       // as Open MPI counts them: cores, not hardware threads, that this process may use
  bool root = false;   // kRootVariables are needed
  bool remote_shell = true;        // ssh or rsh is on PATH
  bool ranks_are_placed = false;   // a scheduler or a variable places the ranks
  bool cross_memory = true;        // a process may read the memory of another (some containers forbid it)
  bool plugin_list_is_set = true;  // the environment has kPluginList
  std::string chosen_components;   // by variables, of Open MPI: "OMPI_MCA_pml=ucx"
  std::vector<std::pair<std::string, std::string>> starter_variables;  // for a job of Slurm (launch/slurm.h)
  // Variables for version 5, with the values that the environment has under the names of version 4.
  std::vector<std::pair<std::string, std::string>> version_5_variables;
};

// Finds mpirun on PATH and examines the host. Error(usage) if mpirun is missing or belongs to another MPI;
// the message says what to install.
LaunchHost inspect_launch_host();

// Returns the full path of a program on PATH; empty if it is missing.
std::string find_on_path(const std::string& program);
// "mpirun (Open MPI) 4.1.4", the first line of `mpirun --version`; empty if it cannot be run.
std::string mpirun_version(const std::string& mpirun);
// Returns the number of cores that this process may run on, at least 1. The hardware threads of a core count
// once.
int usable_cores();
// Returns whether a process may read the memory of another, as Open MPI does for large messages.
bool may_read_process_memory();

}  // namespace ebb::launch
