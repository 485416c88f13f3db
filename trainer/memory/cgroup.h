// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <vector>

namespace ebb::memory {

// Bytes of the control group; the kernel kills beyond the limit. -1: no group, or no limit.
struct CgroupUse {
  std::int64_t used = -1, limit = -1;
};

// The memory controller of this process's control group, version 2 or 1. The limit is the smallest from the
// group up to the root. The files are opened once, so that a read in every step is cheap.
class Cgroup {
 public:
  explicit Cgroup(const std::filesystem::path& self = "/proc/self/cgroup",
                  const std::filesystem::path& mount = "/sys/fs/cgroup");
  ~Cgroup();
  Cgroup(const Cgroup&) = delete;
  Cgroup& operator=(const Cgroup&) = delete;
  [[nodiscard]] CgroupUse read() const;

 private:
  int used_ = -1;
  std::vector<int> limits_;
};

}  // namespace ebb::memory
