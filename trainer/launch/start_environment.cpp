// SPDX-License-Identifier: Apache-2.0
#include "launch/start_environment.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <ifaddrs.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <set>
#include <sstream>
#include <string>

#include "base/error.h"
#include "launch/hosts.h"

namespace ebb::launch {
namespace {

void raise_open_files() {
  constexpr rlim_t kWanted = 1024, kLeast = 256;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(kWanted, limit.rlim_max);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) ::getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_cur < kLeast)
    throw Error(ExitCode::usage,
                fmt::format("this shell may open {} files (ulimit -n), and mpirun needs {}: raise the limit",
                            limit.rlim_cur, kLeast));
}

// mpirun looks for them in this order.
std::string temporary_folder() {
  for (const char* name : {"TMPDIR", "TEMP", "TMP"})
    if (const char* const value = std::getenv(name); value != nullptr && *value != '\0') return value;
  return "/tmp";
}

void check_temporary_folder() {
  const std::string folder = temporary_folder();
  std::string probe = folder + "/ebb-XXXXXX";
  if (::mkdtemp(probe.data()) == nullptr)
    throw Error(ExitCode::usage,
                fmt::format("mpirun needs a folder for its session, and none can be made in {} ({}): set "
                            "TMPDIR to a folder that can be written",
                            folder, std::strerror(errno)));
  ::rmdir(probe.c_str());
}

// The name of this host is a part of mpirun's own addresses.
void check_host_name() {
  char name[256] = {};
  if (::gethostname(name, sizeof name - 1) != 0) return;
  if (const std::string problem = host_problem(name); !problem.empty())
    throw Error(ExitCode::usage,
                fmt::format("{}; this host has it: choose another name (hostname)", problem));
}

std::set<std::string> network_interfaces() {
  std::set<std::string> names;
  ifaddrs* first = nullptr;
  if (::getifaddrs(&first) != 0) return names;
  for (const ifaddrs* one = first; one != nullptr; one = one->ifa_next) names.insert(one->ifa_name);
  ::freeifaddrs(first);
  return names;
}

// Interfaces by name; networks such as 10.0.0.0/8 are for mpirun to check.
void check_interfaces() {
  const std::set<std::string> names = network_interfaces();
  if (names.empty()) return;
  for (const char* variable : {"OMPI_MCA_btl_tcp_if_include", "OMPI_MCA_oob_tcp_if_include"}) {
    const char* const value = std::getenv(variable);
    if (value == nullptr) continue;
    std::istringstream list(value);
    for (std::string name; std::getline(list, name, ',');)
      if (!name.empty() && name.find('/') == std::string::npos && !names.contains(name))
        throw Error(ExitCode::usage,
                    fmt::format("{} is {}, but this host has no network interface {}; it has {}. Give one of "
                                "these, or a network such as 10.0.0.0/8",
                                variable, value, name, fmt::join(names, ", ")));
  }
}

}  // namespace

void prepare_start_environment() {
  constexpr int kOnlyIfUnset = 0;
  ::setenv("PATH", "/usr/local/bin:/usr/bin:/bin", kOnlyIfUnset);
  check_host_name();
  raise_open_files();
  check_temporary_folder();
  check_interfaces();
}

}  // namespace ebb::launch
