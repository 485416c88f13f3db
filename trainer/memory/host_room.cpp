// SPDX-License-Identifier: Apache-2.0
#include "memory/host_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>

#include "base/units.h"
#include "memory/cgroup.h"

namespace ebb::memory {
namespace {

// The value of "KEY:  123 kB" in bytes; -1 if there is no such line.
std::int64_t value_of(const std::filesystem::path& file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key + ":")) return std::strtoll(line.c_str() + key.size() + 1, nullptr, 10) * 1024;
  return -1;
}

}  // namespace

HostRoom measure_host_room(int processes, const std::filesystem::path& proc,
                           const std::filesystem::path& groups) {
  HostRoom room;
  room.own = std::max<std::int64_t>(0, value_of(proc / "self/status", "RssAnon"));
  const std::int64_t available = value_of(proc / "meminfo", "MemAvailable");
  if (available >= 0) {
    room.bytes = available + std::max<std::int64_t>(0, value_of(proc / "meminfo", "SwapFree"));
    room.limit = kFreeMemory;
  }
  const std::int64_t limit = Cgroup(proc / "self/cgroup", groups).read().limit;
  if (limit < 0) return room;
  const std::int64_t left = std::max<std::int64_t>(0, limit - processes * room.own);
  if (room.bytes >= 0 && room.bytes <= left) return room;
  room.bytes = left;
  room.limit = fmt::format("the limit of {} of the control group", format_bytes(limit));
  return room;
}

}  // namespace ebb::memory
