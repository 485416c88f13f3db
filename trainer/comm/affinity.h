#pragma once
#include <cstdint>
#include <string>

#include "comm/world.h"

namespace ebb::comm {

struct Affinity {
  std::int64_t host_cores = 1;  // online
  std::int64_t mask_cores = 1;  // that this process may run on
};
Affinity measure_affinity();

// Compute threads for each rank: the cores that this host's ranks may use between them, shared evenly; at
// least 1, never more than this rank's own mask. Collective.
std::int64_t suggested_threads(const World& world, double timeout_s);

// Empty, or why `threads` are more than this rank's mask lets run at once, and what to do (Open MPI binds
// each rank to one core by default).
std::string binding_warning(std::int64_t threads);

}  // namespace ebb::comm
