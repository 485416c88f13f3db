#pragma once
#include <cstdint>
#include <filesystem>

namespace ebb::memory {

// What a rank says that saw it of its neighbour; who supervises the ranks looks for it.
inline constexpr const char* kKilledForMemory = "the kernel has killed a process here for lack of memory";

// Processes killed for lack of memory up to now: of this process's control group, version 2 or 1, so that
// what others on the machine suffer does not count; where that is not seen, of the whole machine. 0: not
// known.
std::int64_t killed_for_memory(const std::filesystem::path& self = "/proc/self/cgroup",
                               const std::filesystem::path& mount = "/sys/fs/cgroup",
                               const std::filesystem::path& machine = "/proc/vmstat");

}  // namespace ebb::memory
