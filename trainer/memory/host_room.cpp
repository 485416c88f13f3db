// SPDX-License-Identifier: Apache-2.0
#include "memory/host_room.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/units.h"
#include "memory/cgroup.h"
#include "memory/proc_text.h"

namespace ebb::memory {
namespace {

std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

HostRoom measure_host_room(int processes, const std::filesystem::path& proc,
                           const std::filesystem::path& groups) {
  HostRoom room;
  room.own = std::max<std::int64_t>(0, kilobytes_after(text_of(proc / "self/status"), "RssAnon:"));
  const std::string meminfo = text_of(proc / "meminfo");
  const std::int64_t available = kilobytes_after(meminfo, "MemAvailable:");
  if (available >= 0) {
    room.bytes = available + std::max<std::int64_t>(0, kilobytes_after(meminfo, "SwapFree:"));
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
