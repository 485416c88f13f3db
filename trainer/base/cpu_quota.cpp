// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_quota.h"

#include <fstream>

#include "base/control_group.h"

namespace ebb {
namespace {

// The cores of one folder; 0: no limit. Version 2 writes "max" for none, version 1 writes -1.
double cores_of(const ControlGroup& group, const std::filesystem::path& folder) {
  double quota = 0, period = 0;
  if (group.version == 2) {
    std::ifstream(folder / "cpu.max") >> quota >> period;
  } else {
    std::ifstream(folder / "cpu.cfs_quota_us") >> quota;
    std::ifstream(folder / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

}  // namespace

CpuQuota read_cpu_quota(const std::filesystem::path& self, const std::filesystem::path& mount) {
  const ControlGroup group = find_control_group({"cpu", "cpu.cfs_quota_us", "cpu.max"}, self, mount);
  CpuQuota least{.cores = 0, .group = group.name};
  for (const std::filesystem::path& folder : group.folders) {
    const double cores = cores_of(group, folder);
    if (cores <= 0 || (least.cores > 0 && cores >= least.cores)) continue;
    // The root of a container is a group of the host, whose path is the process's.
    const auto within = folder.lexically_relative(group.folders.back());
    least = {cores, within == "." ? group.name : "/" + within.string()};
  }
  return least;
}

}  // namespace ebb
