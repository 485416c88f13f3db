// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>

namespace ebb {

// The CPU time that the control group of this process may use, as a container's CPU limit sets it.
struct CpuQuota {
  double cores = 0;   // CPU seconds a second; 0: no limit
  std::string group;  // that has the limit, or else the process's; its processes share the limit
};

CpuQuota read_cpu_quota(const std::filesystem::path& self = "/proc/self/cgroup",
                        const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace ebb
