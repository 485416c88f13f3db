// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.h"
#include "core/unit.h"
#include "data/dataset.h"
#include "evaluate/config.h"
#include "evaluate/features.h"
#include "models/family.h"
#include "models/sampler.h"

namespace ebb::train {

// Rows that the ranks have computed in shares, on the CPU of every rank.
class SharedRows {
 public:
  SharedRows(comm::Communicator& communicator, at::Device device);
  // The part of `rows` rows that this rank computes: a multiple of kAlign, except at the end. May be empty.
  struct Share {
    std::int64_t first = 0, count = 0;
  };
  // Parts of so many rows are computed together on any number of ranks, so they have the same bits.
  static constexpr std::int64_t kAlign = 64;
  [[nodiscard]] Share share(std::int64_t rows) const;
  // Puts together the shares [count, ...] of all ranks: [rows, ...] on the CPU. Collective.
  [[nodiscard]] at::Tensor gather(const at::Tensor& share, std::int64_t rows) const;

 private:
  comm::Communicator& communicator_;
  at::Device device_;
};

// Compares images that a model generates with images of a dataset. The values are the same for any number of
// ranks, up to rounding. Each rank holds both sets of images and their features, and computes all distances:
// sliced_wasserstein.h gives the memory of the largest part.
class ImageMeasures {
 public:
  // Error(usage) if config.samples does not fit the split or a measure, or if the file of features cannot be
  // used. So a run finds this before it trains.
  ImageMeasures(const evaluate::EvaluateConfig& config, std::unique_ptr<data::Dataset> split);
  ~ImageMeasures();
  ImageMeasures(const ImageMeasures&) = delete;
  ImageMeasures& operator=(const ImageMeasures&) = delete;

  // Generates `samples` images and reads as many of the split, spread evenly over it. Collective.
  std::vector<models::Measure> measure(models::ImageSampler& sampler, core::UnitRunner& runner,
                                       const SharedRows& ranks);
  // The first `count` generated images, each with the `neighbours` nearest of all images of `others` by
  // features, one row of images each: [count * (1 + neighbours), C, H, W] uint8. For one rank, after
  // measure(). Error(internal) without a file of features.
  at::Tensor nearest(data::Dataset& others, std::int64_t count, std::int64_t neighbours);
  // Null: no file of features.
  [[nodiscard]] const evaluate::FeatureExtractor* extractor() const { return extractor_.get(); }
  // Frees the images and features of the last call of measure().
  void release();

 private:
  [[nodiscard]] at::Tensor features(const at::Tensor& images);

  std::int64_t samples_;
  std::unique_ptr<data::Dataset> split_;
  std::unique_ptr<evaluate::FeatureExtractor> extractor_;  // null: no file of features
  at::Tensor generated_, generated_features_;              // of the last call of measure()
};

// Error(usage) if images cannot be generated and compared: the number does not fit the split or a measure.
// `image`: the field of the dataset. `split`: images of the split; 0: unknown.
void require_measurable(const evaluate::EvaluateConfig& config, const core::FieldSpec& image,
                        std::int64_t split);
// The part of a model that generates images. Error(usage) if it has none.
models::ImageSampler& image_sampler_of(models::Model& model, std::int64_t samples, const std::string& family);

// Allocates what measure() does, without a file of features, on the meta device. `sampler`: of a model on
// that device. `image`: the field of the dataset.
void plan_image_measures(std::int64_t samples, const core::FieldSpec& image, models::ImageSampler& sampler,
                         core::UnitRunner& runner, const SharedRows& ranks);

}  // namespace ebb::train
