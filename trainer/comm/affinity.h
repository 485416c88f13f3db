#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "comm/world.h"

namespace ebb::comm {

struct Affinity {
  std::int64_t host_cores = 1;  // online
  std::int64_t mask_cores = 1;  // that this process may run on
};
Affinity measure_affinity();

// How ranks share a host. `threads`: the cores that its ranks may use between them, shared evenly; at least
// 1, never more than this rank's own mask. `cores`: this rank's share of them, those of a NUMA node and of a
// core side by side; empty where there is nothing to share out: one rank, fewer cores than ranks, or ranks
// that something has bound already.
struct Share {
  std::int64_t threads = 1;
  std::vector<int> cores;
};
// Collective.
Share share_of_host(const World& world, double timeout_s);

// Binds the calling thread, and with it the threads that it starts from now on; their memory then comes from
// the NUMA node of those cores. False where the system refuses.
bool bind_to(const std::vector<int>& cores);

// Empty, or why `threads` are more than this rank's mask lets run at once, and what to do (Open MPI binds
// each rank to one core by default).
std::string binding_warning(std::int64_t threads);

}  // namespace ebb::comm
