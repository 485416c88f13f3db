// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/changes.h"
#include "telemetry/sample_unit.h"
#include "train/environment.h"
#include "train/trainees.h"
#include "train/utilization.h"

namespace ebb::train {

// The state in which a run begins or resumes.
struct RunStart {
  std::int64_t first_step = 0;        // steps done before
  std::int64_t samples = 0;           // of the training split
  std::int64_t samples_per_step = 0;  // the global batch, times the batches of a step
  telemetry::SampleUnit unit;         // of the displayed throughput
  Utilization utilization;            // of the first step
  std::int64_t predicted_bytes = -1;  // the planned maximum of live bytes within a step; -1: not planned
  std::vector<std::string> notes;     // lines for a person: what is trained, warnings
  std::optional<std::filesystem::path> resumed_from;  // a checkpoint
  std::vector<checkpoint::Change> changes;            // of the configuration, since that checkpoint
};

// Two lines: model and sizes; ranks and device.
std::string describe_run(const Config& config, const Environment& environment, models::Model& model,
                         std::int64_t samples);
// Returns RunStart::unit: that of the chosen family, for samples of this spec.
telemetry::SampleUnit sample_unit(const Config& config, const core::SampleSpec& sample);

}  // namespace ebb::train
