// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "core/sample.h"
#include "train/config.h"

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
  };
  std::optional<Measured> measured;
  double slowest_step_s = 0;  // of its newest steps, including those with a save; 0: unknown
};

// The fields of a sample. `image`: its {C, H, W}, for a run of images without its dataset; else empty.
// Error(usage): the dataset is necessary and missing.
core::SampleSpec planned_sample(const Config& config, const std::vector<std::int64_t>& image);

ResourceEstimate estimate_resources(const Config& config, const core::SampleSpec& sample);
// The same without the run's logs, which may be long.
ResourceEstimate estimate_sizes(const Config& config, const core::SampleSpec& sample);

// The values of the chart for these resources.
struct ChartValues {
  std::int64_t grace_s = 0;       // one step and one save
  std::int64_t shm_bytes = 0;     // of a worker
  std::int64_t memory_bytes = 0;  // limit of a worker; 0: not measured
  std::int64_t step_s = 0;        // the part of grace_s for a step
};
ChartValues chart_values(const ResourceEstimate& estimate, std::int64_t bytes_per_s,
                         std::int64_t ranks_of_a_worker);

}  // namespace ebb::train
