// SPDX-License-Identifier: Apache-2.0
#include "launch/start_environment.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"

namespace ebb::launch {
namespace {

void raise_open_files() {
  constexpr rlim_t kWanted = 1024, kLeast = 256;
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWanted) return;
  limit.rlim_cur = std::min(kWanted, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
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

}  // namespace

void prepare_start_environment() {
  constexpr int kOnlyIfUnset = 0;
  ::setenv("PATH", "/usr/local/bin:/usr/bin:/bin", kOnlyIfUnset);
  raise_open_files();
  check_temporary_folder();
}

}  // namespace ebb::launch
