// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "data/device_feed.h"
#include "data/evaluation_loader.h"
#include "data/loader.h"
#include "step/step.h"
#include "train/environment.h"

namespace ebb::train {

// The splits of the dataset, opened.
struct Splits {
  std::unique_ptr<data::Dataset> train, test;
};

// What each rank can find wrong by itself before any of them waits for another: data that does not open, a
// batch that ranks cannot share.
Splits open_splits(const Config& config, const comm::World& world);
// `split`: "train", "test". `fields`: some of those that the family reads.
std::unique_ptr<data::Dataset> open_split(const Config& config, const std::string& split,
                                          const std::vector<std::string>& fields);

// The global batches that the phases of one step take.
struct BatchPlan {
  std::int64_t per_step = 1;
  bool reused = false;  // some phase uses the batch of the one before it
};

// This rank's part of the data, read ahead from where the run is. All slots are allocated by the constructor.
class TrainingData {
 public:
  // `first_step`: steps done before.
  TrainingData(const Config& config, const Environment& environment, Splits splits, const BatchPlan& batches,
               std::int64_t first_step);
  [[nodiscard]] step::StepSources sources();                                // refer to this object
  [[nodiscard]] std::int64_t samples() const { return loader_.samples(); }  // of the training split
  [[nodiscard]] const core::SampleSpec& spec() const { return loader_.spec(); }
  [[nodiscard]] data::EvaluationLoader& test() { return test_; }
  [[nodiscard]] data::DeviceFeed& feed() { return feed_; }

 private:
  std::int64_t micro_batches_;
  data::DeviceFeed feed_;
  data::Loader loader_;
  data::EvaluationLoader test_;
};

}  // namespace ebb::train
