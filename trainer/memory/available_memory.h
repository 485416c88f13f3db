// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>

namespace ebb::memory {

inline constexpr const char* kFreeMemory = "free memory";

// The resident bytes of this process now.
struct ProcessMemory {
  std::int64_t anonymous = 0;  // private, and of shared memory: the kernel cannot drop them
  std::int64_t file = 0;       // of files, such as libraries: the processes of a host share them
};
ProcessMemory measure_process_memory(const std::filesystem::path& proc = "/proc");

// The memory of this host for the processes of a run.
struct AvailableMemory {
  std::int64_t bytes = -1;  // -1: unknown
  std::string limit;        // what limits it, for a person: kFreeMemory, or the limit of the group
};

// The smaller of the memory that the host can give, swap included, and the limit of the control group. It
// includes what the `processes` of this run already hold; each is assumed to hold as much as this one. Reads
// /proc and the control group.
AvailableMemory measure_available_memory(int processes, const std::filesystem::path& proc = "/proc",
                                         const std::filesystem::path& groups = "/sys/fs/cgroup");

}  // namespace ebb::memory
