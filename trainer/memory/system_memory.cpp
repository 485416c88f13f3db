// SPDX-License-Identifier: Apache-2.0
#include "memory/system_memory.h"

#include <fcntl.h>
#include <unistd.h>

#include <string_view>

#include "memory/block_cache.h"
#include "memory/cgroup.h"
#include "memory/cuda_device.h"
#include "memory/proc_text.h"

namespace ebb::memory {
namespace {

// The files of /proc and of the control group. They stay open, as each step writes a line of the memory log.
struct Files {
  int status = ::open("/proc/self/status", O_RDONLY | O_CLOEXEC);
  Cgroup cgroup;
};

}  // namespace

SystemMemory measure_system_memory(const Ledger& ledger, const BlockCache* cache, c10::Device device) {
  static const auto* const files = new Files;
  SystemMemory out;
  char buffer[4096];
  const ssize_t length = files->status < 0 ? -1 : pread(files->status, buffer, sizeof buffer, 0);
  if (length > 0) {
    const std::string_view text(buffer, static_cast<std::size_t>(length));
    out.resident = kilobytes_after(text, "VmRSS:");
    out.peak_resident = kilobytes_after(text, "VmHWM:");
  }
  if (out.resident >= 0) out.outside_host = out.resident - ledger.live_total(Ledger::Location::host);
  if (cache != nullptr) out.kept = cache->kept_bytes();
  const CgroupUse use = files->cgroup.read();
  out.cgroup_used = use.used;
  out.cgroup_limit = use.limit;
  if (device.is_cuda()) {
    const CudaMemoryStats stats = device_stats(device.index());
    out.device_used = stats.device_used;
    out.device_total = stats.device_total;
    out.device_reserved = stats.reserved;
    out.largest_free_block = stats.largest_free_block;
  }
  return out;
}

}  // namespace ebb::memory
