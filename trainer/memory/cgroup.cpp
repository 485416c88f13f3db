// SPDX-License-Identifier: Apache-2.0
#include "memory/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <fstream>
#include <string>
#include <string_view>

namespace ebb::memory {
namespace {

// Version 1 writes "no limit" as the largest number of whole pages.
constexpr std::int64_t kUnlimited = std::int64_t{1} << 60;

// The number in a file; -1 for "max", and for a file that is unreadable or holds no number.
std::int64_t number(int fd) {
  char text[32];
  const ssize_t length = fd < 0 ? -1 : pread(fd, text, sizeof text, 0);
  std::int64_t value = -1;
  if (length > 0 && std::from_chars(text, text + length, value).ec != std::errc{}) return -1;
  return value;
}

}  // namespace

Cgroup::Cgroup(const std::filesystem::path& self, const std::filesystem::path& mount) {
  std::filesystem::path v1;
  std::filesystem::path v2;
  std::ifstream lines(self);
  // "4:memory:/some/group" of version 1, "0::/some/group" of version 2.
  for (std::string line; std::getline(lines, line);) {
    const auto first = line.find(':');
    const auto second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string_view controllers(line.data() + first + 1, second - first - 1);
    const std::string_view group = std::string_view(line).substr(second + 1);
    if (controllers == "memory") v1 = group;
    if (controllers.empty()) v2 = group;
  }
  if (!v1.empty() && open(mount / "memory", v1, "memory.usage_in_bytes", "memory.limit_in_bytes")) return;
  if (!v2.empty()) open(mount, v2, "memory.current", "memory.max");
}

bool Cgroup::open(const std::filesystem::path& root, const std::filesystem::path& group, const char* used,
                  const char* limit) {
  // In a container the path may be the host's; the group is then mounted at the root.
  std::filesystem::path relative = group.relative_path();
  if (!std::filesystem::exists(root / relative / used)) relative.clear();
  used_ = ::open((root / relative / used).c_str(), O_RDONLY | O_CLOEXEC);
  if (used_ < 0) return false;
  for (;; relative = relative.parent_path()) {
    const int fd = ::open((root / relative / limit).c_str(), O_RDONLY | O_CLOEXEC);
    if (fd >= 0) limits_.push_back(fd);
    if (relative.empty()) return true;
  }
}

Cgroup::~Cgroup() {
  if (used_ >= 0) close(used_);
  for (const int fd : limits_) close(fd);
}

CgroupUse Cgroup::read() const {
  CgroupUse use{.used = number(used_)};
  for (const int fd : limits_) {
    const std::int64_t limit = number(fd);
    if (limit >= 0 && limit < kUnlimited && (use.limit < 0 || limit < use.limit)) use.limit = limit;
  }
  return use;
}

}  // namespace ebb::memory
