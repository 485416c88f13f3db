// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <c10/core/Device.h>

#include <cstdint>

#include "memory/ledger.h"

namespace ebb::memory {

class BlockCache;

// Figures of the kernel and the driver, in bytes. -1: this machine does not report it.
struct SystemMemory {
  std::int64_t resident = -1;                        // VmRSS of this process
  std::int64_t peak_resident = -1;                   // VmHWM
  std::int64_t cgroup_used = -1, cgroup_limit = -1;  // v2 or v1; limit -1 = none
  std::int64_t device_used = -1, device_total = -1, device_reserved = -1;
  // Resident less live host bytes of the ledger: code, oneDNN, MPI, malloc arenas.
  std::int64_t outside_host = -1;
  // Mapped and free in the cache of host blocks. Its written pages are resident and part of outside_host.
  std::int64_t kept = -1;
  std::int64_t largest_free_block = -1;  // of the device's caching allocator
};
// `cache`: the one passed to install(), for `kept`; null if there is none. `device`: a GPU that use_device()
// was called with, for the figures of the device; else the CPU.
SystemMemory measure_system_memory(const Ledger& ledger, const BlockCache* cache = nullptr,
                                   c10::Device device = c10::kCPU);

}  // namespace ebb::memory
