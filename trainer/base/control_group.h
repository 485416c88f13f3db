// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <string>
#include <vector>

namespace ebb {

// The control group of this process for one controller. A limit is the smallest from the group up to the
// root of its hierarchy.
struct ControlGroup {
  int version = 0;  // 1 or 2; 0: no group
  std::string name;
  std::vector<std::filesystem::path> folders;  // from the group up to the root
};

// A controller, and a file of each version that every group with this controller has.
struct Controller {
  std::string name, file_v1, file_v2;
};

// Looks for version 1 first, since a host with both gives the controller to version 1.
// `self`: the list of the process's groups; `mount`: of the hierarchies.
ControlGroup find_control_group(const Controller& controller,
                                const std::filesystem::path& self = "/proc/self/cgroup",
                                const std::filesystem::path& mount = "/sys/fs/cgroup");

}  // namespace ebb
