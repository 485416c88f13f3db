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
  // Generated images. Empty: evaluate.samples of the run; if that is 0, as many as the split has, at most
  // 10,000. For models that make images.
  std::optional<std::int64_t> samples = std::nullopt;
  // Draws of the importance-weighted bound, for models that have one. Empty: evaluate.draws of the run; if
  // that is 0, 64. 0: no bound.
  std::optional<std::int64_t> draws = std::nullopt;
  std::string features;  // TorchScript file; empty: that of the run
  std::string nearest;   // PNG of generated images and the nearest training images; empty: none
};

// The features with which images were compared.
struct FeatureSource {
  std::string digest, resize;  // FeatureExtractor::digest() and resize()
  std::int64_t dimension = 0;
};

struct EvaluatedCheckpoint {
  models::TestResult result;
  std::vector<models::Measure> measures;
  std::optional<FeatureSource> features = std::nullopt;
};

// Evaluates a model on a split of its run's data with every measure of its family. The values are those of
// all samples, the same on every rank and for any number of ranks. Collective. Error(usage): the options do
// not fit the model or the data.
EvaluatedCheckpoint evaluate_checkpoint(LoadedModel& loaded, core::UnitRunner& runner,
                                        const EvaluationOptions& options, Environment& environment);

}  // namespace ebb::train
