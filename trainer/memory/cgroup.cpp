// SPDX-License-Identifier: Apache-2.0
#include "memory/cgroup.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>

#include "base/control_group.h"

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
  const Controller memory{"memory", "memory.usage_in_bytes", "memory.current"};
  const ControlGroup group = find_control_group(memory, self, mount);
  if (group.version == 0) return;
  const bool v1 = group.version == 1;
  const auto open = [](const std::filesystem::path& file) {
    return ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  };
  used_ = open(group.folders.front() / (v1 ? memory.file_v1 : memory.file_v2));
  for (const std::filesystem::path& folder : group.folders) {
    const int fd = open(folder / (v1 ? "memory.limit_in_bytes" : "memory.max"));
    if (fd >= 0) limits_.push_back(fd);
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
