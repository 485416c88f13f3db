// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "comm/world.h"

namespace ebb::comm {

struct Affinity {
  std::int64_t host_cores = 1;  // cores of the host that are online
  std::int64_t mask_cores = 1;  // cores that this process may run on
};
Affinity measure_affinity();

// The compute threads of each of `ranks` ranks that share `cores` and a quota; at least 1.
// `quota`: the cores' time that their control group allows, as CpuQuota::cores.
std::int64_t threads_of_each(std::int64_t cores, double quota, std::int64_t ranks);

// The part of a host's cores that one rank gets.
struct CpuShare {
  // An even share of the cores that the host's ranks may use, and of the quota of their control
  // group; at least 1, at most this rank's own mask.
  std::int64_t threads = 1;
  double quota = 0;          // cores that the control group allows; 0: no limit
  std::int64_t sharing = 1;  // ranks of this host in the same control group
  // The rank's own cores, adjacent by NUMA node and physical core. Empty for one rank, for fewer
  // cores than ranks, and for ranks that are already bound.
  std::vector<int> cores;
};
// Computes this rank's share. Collective over `world`, within `timeout_s` seconds.
CpuShare cpu_share(const World& world, double timeout_s);

// Binds the calling thread and the threads that it starts later. Their memory then comes from the
// NUMA node of these cores. False if the system refuses.
bool bind_to_cores(const std::vector<int>& cores);

// A warning if this rank has more `threads` than cores in its mask, with the remedy; else empty.
// (Open MPI binds each rank to one core by default.)
std::string binding_warning(std::int64_t threads);
// A warning if the ranks of the control group have more `threads` than its quota; else empty.
std::string quota_warning(const CpuShare& share, std::int64_t threads);

}  // namespace ebb::comm
