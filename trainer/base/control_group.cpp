// SPDX-License-Identifier: Apache-2.0
#include "base/control_group.h"

#include <fstream>
#include <optional>
#include <string_view>

namespace ebb {
namespace {

namespace fs = std::filesystem;

bool has_controller(std::string_view list, std::string_view name) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == name) return true;
    list.remove_prefix(comma == std::string_view::npos ? list.size() : comma + 1);
  }
  return false;
}

ControlGroup open(int version, const fs::path& root, const std::string& name, const std::string& file) {
  // A folder of version 2 has the file only if its parent gives it the controller; a limit may be set further
  // up. In a container the path may be the host's; the group is then mounted at the root.
  std::error_code error;
  fs::path relative = fs::path(name).relative_path();
  while (!relative.empty() && !fs::exists(root / relative / file, error)) relative = relative.parent_path();
  if (!fs::exists(root / relative / file, error)) return {};
  ControlGroup group{version, name, {}};
  for (;; relative = relative.parent_path()) {
    group.folders.push_back(root / relative);
    if (relative.empty()) return group;
  }
}

}  // namespace

ControlGroup find_control_group(const Controller& controller, const fs::path& self, const fs::path& mount) {
  std::optional<std::string> v1, v2;
  std::ifstream lines(self);
  // "4:cpu,cpuacct:/some/group" of version 1, "0::/some/group" of version 2.
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (controllers.empty()) v2 = line.substr(second + 1);
    if (has_controller(controllers, controller.name)) v1 = line.substr(second + 1);
  }
  ControlGroup found;
  if (v1) found = open(1, mount / controller.name, *v1, controller.file_v1);
  if (found.version == 0 && v2) found = open(2, mount, *v2, controller.file_v2);
  return found;
}

}  // namespace ebb
