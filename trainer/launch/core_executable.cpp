// SPDX-License-Identifier: Apache-2.0
#include "launch/core_executable.h"

#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "base/error.h"

namespace ebb::launch {
namespace fs = std::filesystem;

std::string core_executable_path() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error || !fs::exists(self)) {
    throw Error(
        ExitCode::internal,
        fmt::format("the file of the running program is gone ({}): it was rebuilt or removed; start it again",
                    error ? error.message() : self.string()));
  }
  return (self.parent_path() / "ebb-core").string();
}

std::string core_executable() {
  const std::string core = core_executable_path();
  if (::access(core.c_str(), X_OK) != 0) {
    throw Error(ExitCode::usage,
                fmt::format("{} is missing or not executable\n  ebb runs it for training and most commands: "
                            "build it (target ebb), or install both programs into one folder",
                            core));
  }
  return core;
}

}  // namespace ebb::launch
