// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace ebb::memory {

inline constexpr const char* kFreeMemory = "free memory";

// The memory of this host for the processes of a run.
struct HostRoom {
  std::int64_t bytes = -1;  // -1: unknown
  std::string limit;        // what limits it, for a person: kFreeMemory, or the limit of the group
  std::int64_t own = 0;     // private bytes of this process now
};

// The smaller of the memory that the host can give, swap included, and the limit of the control group,
// without what the `processes` of this run, each as large as this one, hold already. Reads /proc and the
// control group.
HostRoom measure_host_room(int processes, const std::filesystem::path& proc = "/proc",
                           const std::filesystem::path& groups = "/sys/fs/cgroup");

}  // namespace ebb::memory
