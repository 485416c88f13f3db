// SPDX-License-Identifier: Apache-2.0
#include "memory/available_memory.h"

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

ProcessMemory measure_process_memory(const std::filesystem::path& proc) {
  const std::string status = text_of(proc / "self/status");
  const auto of = [&](const char* key) { return std::max<std::int64_t>(0, kilobytes_after(status, key)); };
  return {of("RssAnon:") + of("RssShmem:"), of("RssFile:")};
}

AvailableMemory measure_available_memory(int processes, const std::filesystem::path& proc,
                                         const std::filesystem::path& groups) {
  AvailableMemory found;
  const std::string meminfo = text_of(proc / "meminfo");
  const std::int64_t available = kilobytes_after(meminfo, "MemAvailable:");
  if (available >= 0) {
    found.bytes = available + std::max<std::int64_t>(0, kilobytes_after(meminfo, "SwapFree:")) +
                  processes * measure_process_memory(proc).anonymous;
    found.limit = kFreeMemory;
  }
  const std::int64_t limit = Cgroup(proc / "self/cgroup", groups).read().limit;
  if (limit < 0 || (found.bytes >= 0 && found.bytes <= limit)) return found;
  found.bytes = limit;
  found.limit = fmt::format("the limit of {} of the control group", format_bytes(limit));
  return found;
}

}  // namespace ebb::memory
