// SPDX-License-Identifier: Apache-2.0
#include "launch/launch_host.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <set>
#include <sstream>
#include <string_view>

#include "base/error.h"
#include "base/shell.h"

extern char** environ;

namespace ebb::launch {
namespace fs = std::filesystem;
namespace {

bool is_set(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0';
}

constexpr const char* kInstall =
    "\n  install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin libopenmpi-dev), or put its mpirun "
    "first on PATH";

int major_of(const std::string& version) {
  const std::size_t mark = version.find("(Open MPI)");
  if (mark == std::string::npos) return 0;
  return std::atoi(version.c_str() + mark + std::string("(Open MPI)").size());
}

// Calls `use` with the rest of the name after `prefix`, and the value, of each such variable.
void for_each_variable(std::string_view prefix,
                       const std::function<void(std::string_view rest, std::string_view value)>& use) {
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=');
    if (equals != std::string_view::npos && text.substr(0, equals).starts_with(prefix))
      use(text.substr(prefix.size(), equals - prefix.size()), text.substr(equals + 1));
  }
}

// Version 5 starts processes by PRRTE, which has variables of its own: the mpirun of 5.0.7 ignores those of
// version 4. Sites and the MPI operator may still set the latter. A variable of version 5 in the environment
// takes precedence.
std::vector<std::pair<std::string, std::string>> variables_for_version_5() {
  using Prefixes = std::pair<std::string_view, std::string_view>;
  constexpr std::array<Prefixes, 2> kPrefixes = {
      {{"OMPI_MCA_plm_rsh_", "PRTE_MCA_plm_ssh_"}, {"OMPI_MCA_orte_", "PRTE_MCA_prte_"}}};
  std::vector<std::pair<std::string, std::string>> found;
  for (const Prefixes& prefixes : kPrefixes)
    for_each_variable(prefixes.first, [&](std::string_view rest, std::string_view value) {
      const std::string name = std::string(prefixes.second) + std::string(rest);
      if (std::getenv(name.c_str()) == nullptr) found.emplace_back(name, value);
    });
  return found;
}

// "OMPI_MCA_pml=ucx OMPI_MCA_btl=tcp,self": a name without a further underscore is that of a framework.
std::string chosen_components() {
  std::string all;
  for_each_variable("OMPI_MCA_", [&all](std::string_view framework, std::string_view value) {
    if (framework.find('_') == std::string_view::npos)
      all += fmt::format("{}OMPI_MCA_{}={}", all.empty() ? "" : " ", framework, value);
  });
  return all;
}

}  // namespace

bool may_read_process_memory() {
  int from = 42, to = 0;
  const iovec local{&to, sizeof to}, remote{&from, sizeof from};
  return ::process_vm_readv(::getpid(), &local, 1, &remote, 1, 0) == static_cast<ssize_t>(sizeof from) &&
         to == from;
}

std::string find_on_path(const std::string& program) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
  for (std::string folder; std::getline(folders, folder, ':');) {
    const fs::path candidate = fs::path(folder.empty() ? "." : folder) / program;
    std::error_code error;
    if (fs::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0)
      return candidate.string();
  }
  return {};
}

std::string mpirun_version(const std::string& mpirun) {
  std::string line;
  if (::geteuid() == 0)
    for (const auto& [name, value] : kRootVariables) line += fmt::format("{}={} ", name, value);
  line += shell_quoted(mpirun) + " --version 2>/dev/null </dev/null";
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> pipe(::popen(line.c_str(), "r"), ::pclose);
  std::array<char, 256> text{};
  if (!pipe || std::fgets(text.data(), text.size(), pipe.get()) == nullptr) return {};
  std::string first(text.data());
  // Read to the end: a closed pipe would kill the program.
  while (std::fgets(text.data(), text.size(), pipe.get()) != nullptr) {
  }
  while (!first.empty() && first.back() == '\n') first.pop_back();
  return first;
}

int usable_cores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  if (::sched_getaffinity(0, sizeof mask, &mask) != 0) return 1;
  std::set<std::string> cores;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (!CPU_ISSET(cpu, &mask)) continue;
    // All hardware threads of a core report the same list.
    std::ifstream file(fmt::format("/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list", cpu));
    std::string siblings;
    cores.insert(std::getline(file, siblings) ? siblings : fmt::format("cpu {}", cpu));
  }
  return std::max<int>(1, static_cast<int>(cores.size()));
}

LaunchHost inspect_launch_host() {
  LaunchHost host;
  host.mpirun = find_on_path("mpirun");
  if (host.mpirun.empty())
    throw Error(ExitCode::usage, fmt::format("there is no mpirun on PATH{}", kInstall));
  const std::string version = mpirun_version(host.mpirun);
  host.major = major_of(version);
  if (host.major == 0) {
    throw Error(ExitCode::usage, fmt::format("{} is not Open MPI's mpirun: it reports \"{}\"{}", host.mpirun,
                                             version, kInstall));
  }
  host.slots = usable_cores();
  host.root = ::geteuid() == 0;
  host.remote_shell = !find_on_path("ssh").empty() || !find_on_path("rsh").empty();
  for (const char* name : {"PBS_JOBID", "LSB_JOBID", "OMPI_MCA_orte_default_hostfile", "OMPI_MCA_hostfile",
                           "PRTE_MCA_prte_default_hostfile"}) {
    host.ranks_are_placed = host.ranks_are_placed || is_set(name);
  }
  host.cross_memory = may_read_process_memory();
  host.plugin_list_is_set = std::getenv(kPluginList) != nullptr;
  host.chosen_components = chosen_components();
  if (host.major >= 5) host.version_5_variables = variables_for_version_5();
  return host;
}

}  // namespace ebb::launch
