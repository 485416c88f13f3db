// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <vector>

#include "core/sample.h"
#include "models/runner_factory.h"
#include "numerics/instruction_set.h"
#include "train/config.h"
#include "train/training_data.h"

namespace ebb::train {

// The device that the ranks of a plan train on.
struct PlannedDevice {
  bool gpu = false;
  // Of a CPU. Workspaces depend on it.
  numerics::InstructionSet isa = numerics::instruction_set();
  int compute_capability = 90;  // of a GPU; 90 is 9.0. The workspace of matrix products depends on it
};

// What the plan of a run depends on beside its configuration.
struct PlannedRun {
  core::SampleSpec sample;        // of the data
  std::int64_t test_samples = 0;  // of the split for evaluations; 0: unknown, at least a batch
  int ranks = 1;
  const models::RunnerFactory& make_runner;  // must outlive this object
  // data::Dataset::cache_bytes() of the splits that a run opens, and what is written of them now.
  std::int64_t dataset_bytes = 0, written_dataset_bytes = 0;
  std::vector<std::int64_t> feature_extractor{};  // of feature_extractor_of(); empty: not here, or none
  PlannedDevice device{};
};
// The bytes of each block of the file evaluate.features, if the run uses it. Nothing if the file is not
// here. Error(usage) as of evaluate::FeatureExtractor.
std::optional<std::vector<std::int64_t>> feature_extractor_of(const Config& config);
// Of a run with these datasets.
PlannedRun planned_run(const Config& config, const Splits& splits, int ranks,
                       const models::RunnerFactory& make_runner);
// Of a run of one rank, with what this machine has of the dataset. What only the dataset tells is part of it:
// samples for evaluations, and bytes of caches. Faults of the dataset are those of a run. If data.source is
// absent or empty, there is no dataset, and samples are those of planned_sample(). `image`: the sides of a
// sample, which the dataset need not tell; empty: not given.
PlannedRun planned_run_here(const Config& config, const std::vector<std::int64_t>& image,
                            const models::RunnerFactory& make_runner);

}  // namespace ebb::train
