// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "core/unit.h"
#include "models/family.h"
#include "train/environment.h"
#include "train/load_model.h"

namespace ebb::train {

struct EvaluationOptions {
  std::string split = "test";
  // Generated images; empty: as many as the split has, at most 10,000. For models that make images.
  std::optional<std::int64_t> samples = std::nullopt;
  std::int64_t draws = 64;  // of the importance-weighted bound, for models with one; 0: no bound
  std::string nearest;      // PNG of generated images and the nearest training images; empty: none
};

struct EvaluatedCheckpoint {
  models::TestResult result;
  std::vector<models::Measure> measures;
};

// Evaluates a model on a split of its run's data with every measure of its family. The values are those of
// all samples, the same on every rank and for any number of ranks. Collective. Error(usage): the options do
// not fit the model or the data.
EvaluatedCheckpoint evaluate_checkpoint(LoadedModel& loaded, core::UnitRunner& runner,
                                        const EvaluationOptions& options, Environment& environment);

}  // namespace ebb::train
