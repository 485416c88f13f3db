#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/sample.h"
#include "train/config.h"

namespace ebb::train {

// What a configuration needs, found without allocating it: the model is made on the meta device. What only a
// run can tell comes from the logs of one that was there.
struct Needs {
  std::int64_t parameters = 0;  // elements
  // Held by every rank from its start, and from backward on; activations and communication come to it.
  std::int64_t parameter_bytes = 0, gradient_bytes = 0, optimizer_bytes = 0;
  std::int64_t checkpoint_bytes = 0;
  std::filesystem::path checkpoint;  // that was measured; empty: computed from the model
  struct Seen {                      // in the run's own logs
    std::int64_t ranks = 0;
    std::int64_t host_bytes = 0;    // largest resident set of a rank
    std::int64_t device_bytes = 0;  // largest use of a GPU; 0: none
  };
  std::optional<Seen> seen;
  double slowest_step_s = 0;  // of its newest steps, those with a save included; 0: not known
};

// `image`: the sides of a sample where a run of images has no dataset at hand ({C, H, W}); else empty.
// Error(usage) where the dataset is needed and not there.
Needs needs(const Config& config, const std::vector<std::int64_t>& image);
// The same without what is in a run's logs, which may be long.
Needs sizes(const Config& config, const std::vector<std::int64_t>& image);

// What values.yaml of the chart says to fit them.
struct ClusterNeeds {
  std::int64_t grace_s = 0;       // a step, and a checkpoint written at the rate
  std::int64_t shm_bytes = 0;     // of a worker
  std::int64_t memory_bytes = 0;  // limit of a worker; 0: only a run can tell
  std::int64_t step_s = 0;        // that the grace reckons with
};
ClusterNeeds cluster_needs(const Needs& needs, std::int64_t bytes_per_s, std::int64_t ranks_of_a_worker);

}  // namespace ebb::train
