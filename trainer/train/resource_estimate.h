// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/sample.h"
#include "train/config.h"
#include "train/memory_need.h"

namespace ebb::train {

// The resources of a configuration, computed without allocation from a model on the meta device. Measured
// values come from the logs of an earlier run.
struct ResourceEstimate {
  std::int64_t parameters = 0;  // elements
  // Held by every rank: parameters and moments from its start, gradients from backward on. Activations and
  // communication are not included.
  std::int64_t parameter_bytes = 0, gradient_bytes = 0, optimizer_bytes = 0;
  std::int64_t checkpoint_bytes = 0;
  std::filesystem::path checkpoint;  // the measured one; empty: computed from the model
  struct Measured {                  // from the logs of the run
    std::int64_t ranks = 0;
    std::int64_t host_bytes = 0;    // largest resident set of a rank
    std::int64_t device_bytes = 0;  // largest use of a GPU; 0: none
    memory::Sums peak{};            // on the host: the largest maximum of each class within a step
    std::int64_t peak_total = 0;    // of all classes together
  };
  std::optional<Measured> measured;
  double slowest_step_s = 0;  // of its newest steps, including those with a save; 0: unknown
};

// The fields of a sample. `image`: its {C, H, W}, for a run of images without its dataset; else empty.
// Error(usage): the dataset is necessary and missing.
core::SampleSpec planned_sample(const Config& config, const std::vector<std::int64_t>& image);

// The logs count if the run had `world_size` ranks (0: any number), the same device, and the same keys
// outside of the sections `run` and `checkpoint`.
ResourceEstimate estimate_resources(const Config& config, const core::SampleSpec& sample,
                                    std::int64_t world_size);
// The same without the run's logs, which may be long.
ResourceEstimate estimate_sizes(const Config& config, const core::SampleSpec& sample);

// The values of the chart for these resources.
struct ChartValues {
  std::int64_t grace_s = 0;       // one step and one save
  std::int64_t shm_bytes = 0;     // of a worker
  std::int64_t memory_bytes = 0;  // limit of a worker; 0: unknown
  std::int64_t step_s = 0;        // the part of grace_s for a step
};
// `need`: of a run that trains on CPUs for certain, else empty. The memory limit comes from what was
// measured, or else from the need.
ChartValues chart_values(const ResourceEstimate& estimate, std::int64_t bytes_per_s,
                         std::int64_t ranks_of_a_worker, const std::optional<MemoryNeed>& need);

}  // namespace ebb::train
