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
#include "train/cursor.h"
#include "train/environment.h"

namespace ebb::train {

// The splits of the dataset, opened.
struct Splits {
  std::unique_ptr<data::Dataset> train, test;
};

// Opens the splits. It finds faults that a rank can detect before any wait for another rank: invalid data,
// splits with different samples, or a batch that the ranks cannot divide.
Splits open_splits(const Config& config, const comm::World& world);
// The same without ranks. Batches are not checked.
Splits open_splits(const Config& config);
// Identifies the contents of the training split: "60000 samples, digest 0123456789abcdef". Error(data) if a
// rank finds others than rank 0. Collective.
std::string contents_of_all_ranks(const Config& config, const Splits& splits, const comm::World& world);
// `split`: "train", "test". `fields`: a subset of those that the family reads.
std::unique_ptr<data::Dataset> open_split(const Config& config, const std::string& split,
                                          const std::vector<std::string>& fields);

// The images `first` to `first` + `count` of `of` that are spread evenly over the dataset: [count, C, H, W]
// uint8 on the CPU, class data. With `of` = its size these are its images themselves.
at::Tensor read_images(data::Dataset& dataset, std::int64_t first, std::int64_t count, std::int64_t of);

// The global batches that the phases of one step use.
struct BatchPlan {
  std::int64_t per_step = 1;
  bool kept = false;  // the step keeps micro-batches (step::keeps_batches())
};

// The reading of one rank of `ranks`, from the first step, into pageable memory.
data::LoaderPlan loader_plan(const Config& config, int rank, int ranks, const BatchPlan& batches);
// A batch has as many samples as a micro-batch in training, so it fits into memory too.
data::EvaluationPlan evaluation_plan(const Config& config, int rank, int ranks);

// This rank's part of the data, prefetched from the current step. The constructor allocates all slots.
class TrainingData {
 public:
  // `cursor`: the position of the first step.
  TrainingData(const Config& config, const Environment& environment, Splits splits, const BatchPlan& batches,
               const Cursor& cursor);
  [[nodiscard]] step::StepSources sources();                                // they refer to this object
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
