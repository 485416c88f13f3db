// SPDX-License-Identifier: Apache-2.0
#include "train/image_measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/round_up.h"
#include "core/sample.h"
#include "evaluate/feature_distances.h"
#include "evaluate/nearest_rows.h"
#include "evaluate/precision_recall.h"
#include "evaluate/sliced_wasserstein.h"
#include "memory/ledger.h"
#include "models/model.h"
#include "train/training_data.h"

namespace ebb::train {

namespace {

constexpr std::uint64_t kSeed = 0;  // of the generated images; `ebb sample` has it as its default

constexpr std::int64_t kLeastSide = 7;      // of the patches of the sliced Wasserstein distance
constexpr std::int64_t kLeastFeatures = 4;  // a row and its three neighbours

[[noreturn]] void refuse(std::int64_t samples, const std::string& why) {
  throw Error(
      ExitCode::usage,
      fmt::format("{} images are to be generated (evaluate.samples, or --samples of ebb evaluate), but "
                  "{}. 0 generates none",
                  samples, why));
}

// The share of the images that the model generates. `like`: images of the same shape.
at::Tensor generate(models::ImageSampler& sampler, core::UnitRunner& runner, const SharedRows::Share& share,
                    const at::Tensor& like) {
  std::vector<at::Tensor> parts{like.narrow(0, 0, 0)};
  for (std::int64_t i = 0; i < share.count; i += SharedRows::kAlign)
    parts.push_back(
        sampler.sample(share.first + i, std::min(SharedRows::kAlign, share.count - i), kSeed, runner));
  return at::cat(parts);
}

// The shape of a tensor with `rows` rows.
std::vector<std::int64_t> with_rows(const at::Tensor& tensor, std::int64_t rows) {
  std::vector<std::int64_t> sizes = tensor.sizes().vec();
  sizes[0] = rows;
  return sizes;
}

}  // namespace

SharedRows::SharedRows(comm::Communicator& communicator, at::Device device)
    : communicator_(communicator), device_(device) {}

SharedRows::Share SharedRows::share(std::int64_t rows) const {
  const std::int64_t each = round_up((rows + communicator_.size() - 1) / communicator_.size(), kAlign);
  const std::int64_t first = std::min(communicator_.rank() * each, rows);
  return {first, std::min(each, rows - first)};
}

at::Tensor SharedRows::gather(const at::Tensor& share, std::int64_t rows) const {
  const std::int64_t each = round_up((rows + communicator_.size() - 1) / communicator_.size(), kAlign);
  at::Tensor mine = at::zeros(with_rows(share, each), share.options());
  mine.narrow(0, 0, share.size(0)).copy_(share);
  mine = mine.to(device_);
  const at::Tensor all = at::empty(with_rows(share, each * communicator_.size()), mine.options());
  communicator_.all_gather(mine, all, "images of an evaluation");
  return models::on_host(all.narrow(0, 0, rows)).contiguous();
}

void require_measurable(const evaluate::EvaluateConfig& config, const core::FieldSpec& image,
                        std::int64_t split) {
  const std::int64_t samples = config.samples, channels = image.dims[0], height = image.dims[1],
                     width = image.dims[2];
  if (split > 0 && samples > split)
    refuse(samples, fmt::format("the split that they are compared with has {} images", split));
  if (height < kLeastSide || width < kLeastSide)
    refuse(samples, fmt::format("the sliced Wasserstein distance needs images of {0} x {0} pixels, and these "
                                "are {1} x {2}",
                                kLeastSide, height, width));
  if (samples > 0 && evaluate::patches_per_image(samples, channels) == 0)
    refuse(samples, "the sliced Wasserstein distance does not fit so many images into its memory");
  if (!config.features.empty() && samples < kLeastFeatures)
    refuse(samples, fmt::format("measures of features need at least {} images", kLeastFeatures));
}

models::ImageSampler& image_sampler_of(models::Model& model, std::int64_t samples,
                                       const std::string& family) {
  if (models::ImageSampler* const sampler = model.image_sampler()) return *sampler;
  throw Error(ExitCode::usage,
              fmt::format("evaluate.samples is {}, but a model of the family {} makes no images: set it to 0",
                          samples, family));
}

ImageMeasures::ImageMeasures(const evaluate::EvaluateConfig& config, std::unique_ptr<data::Dataset> split)
    : samples_(config.samples), split_(std::move(split)) {
  const core::FieldSpec& image = split_->spec().at(core::kImageField);
  require_measurable(config, image, split_->size());
  if (!config.features.empty())
    extractor_ = std::make_unique<evaluate::FeatureExtractor>(config.features, image.dims[0], image.dims[1],
                                                              image.dims[2]);
}

ImageMeasures::~ImageMeasures() = default;

void plan_image_measures(std::int64_t samples, const core::FieldSpec& image, models::ImageSampler& sampler,
                         core::UnitRunner& runner, const SharedRows& ranks) {
  const memory::Tag tag(memory::Class::activations, "evaluation");
  const SharedRows::Share share = ranks.share(samples);
  at::Tensor real;
  {
    const memory::Tag pictures(memory::Class::data, "pictures");  // as read_images()
    std::vector<std::int64_t> sizes{share.count};
    sizes.insert(sizes.end(), image.dims.begin(), image.dims.end());
    real = at::empty(sizes, at::TensorOptions().dtype(at::kByte).device(at::kMeta));
  }
  const at::Tensor mine = generate(sampler, runner, share, real);
  const at::Tensor generated = ranks.gather(mine, samples);
  (void)evaluate::sliced_wasserstein(generated, ranks.gather(real, samples));
}

// In parts of SharedRows::kAlign, so that each image is in the same part on any number of ranks.
at::Tensor ImageMeasures::features(const at::Tensor& images) {
  std::vector<at::Tensor> parts{at::empty({0, extractor_->dimension()}, at::kFloat)};
  for (std::int64_t i = 0; i < images.size(0); i += SharedRows::kAlign)
    parts.push_back(
        extractor_->features(images.narrow(0, i, std::min(SharedRows::kAlign, images.size(0) - i))));
  return at::cat(parts);
}

std::vector<models::Measure> ImageMeasures::measure(models::ImageSampler& sampler, core::UnitRunner& runner,
                                                    const SharedRows& ranks) {
  const memory::Tag tag(memory::Class::activations, "evaluation");
  const SharedRows::Share share = ranks.share(samples_);
  const at::Tensor real = read_images(*split_, share.first, share.count, samples_);
  const at::Tensor mine = generate(sampler, runner, share, real);
  generated_ = ranks.gather(mine, samples_);
  const evaluate::SlicedWasserstein distance =
      evaluate::sliced_wasserstein(generated_, ranks.gather(real, samples_));
  std::vector<models::Measure> all = {
      {"sliced_wasserstein", distance.mean,
       fmt::format("sliced Wasserstein distance {:.3f} x 10^-3, of {} generated and as many real images",
                   distance.mean, samples_)},
      {"generated_images", static_cast<double>(samples_), ""}};
  if (!extractor_) return all;
  generated_features_ = ranks.gather(features(mine), samples_);
  const at::Tensor real_features = ranks.gather(features(real), samples_);
  const double frechet = evaluate::frechet_distance(generated_features_, real_features);
  const evaluate::KernelDistance kernel = evaluate::kernel_distance(generated_features_, real_features);
  const evaluate::PrecisionRecall shares = evaluate::precision_recall(real_features, generated_features_);
  const std::string source = fmt::format("{} features of sha256 {}, resize {}", extractor_->dimension(),
                                         extractor_->digest().substr(0, 12), extractor_->resize());
  all.push_back({"frechet", frechet, fmt::format("Frechet distance {:.3f} ({})", frechet, source)});
  all.push_back(
      {"kernel", kernel.mean,
       fmt::format("kernel distance {:.4g}, deviation {:.2g} over subsets", kernel.mean, kernel.deviation)});
  all.push_back(
      {"precision", shares.precision,
       fmt::format("precision {:.3f}, recall {:.3f} (3 neighbours)", shares.precision, shares.recall)});
  all.push_back({"recall", shares.recall, ""});
  all.push_back({"kernel_deviation", kernel.deviation, ""});
  if (samples_ <= extractor_->dimension())
    all.push_back(
        {"features", static_cast<double>(extractor_->dimension()),
         fmt::format("there are no more images than features, {}: the Frechet distance then depends "
                     "strongly on their number",
                     extractor_->dimension())});
  return all;
}

void ImageMeasures::release() {
  generated_.reset();
  generated_features_.reset();
}

at::Tensor ImageMeasures::nearest(data::Dataset& others, std::int64_t count, std::int64_t neighbours) {
  if (!extractor_ || !generated_features_.defined())
    throw Error(ExitCode::internal, "nearest() needs features of generated images");
  const memory::Tag tag(memory::Class::activations, "evaluation");
  constexpr std::int64_t kBlock = 1024;
  count = std::min(count, generated_.size(0));
  evaluate::NearestRows search(generated_features_.narrow(0, 0, count), neighbours);
  for (std::int64_t first = 0; first < others.size(); first += kBlock) {
    const std::int64_t n = std::min(kBlock, others.size() - first);
    search.add(features(read_images(others, first, n, others.size())));
  }
  const at::Tensor nearest = search.indices();
  std::vector<at::Tensor> picture;
  for (std::int64_t i = 0; i < count; ++i) {
    picture.push_back(generated_.narrow(0, i, 1));
    for (std::int64_t k = 0; k < nearest.size(1); ++k)
      picture.push_back(read_images(others, nearest[i][k].item<std::int64_t>(), 1, others.size()));
  }
  return at::cat(picture);
}

}  // namespace ebb::train
