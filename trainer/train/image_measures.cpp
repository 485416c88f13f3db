// SPDX-License-Identifier: Apache-2.0
#include "train/image_measures.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/round_up.h"
#include "core/sample.h"
#include "evaluate/feature_distances.h"
#include "evaluate/sliced_wasserstein.h"
#include "memory/ledger.h"

namespace ebb::train {

namespace {

constexpr std::uint64_t kSeed = 0;  // of the generated images; `ebb sample` has it as its default

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
  return all.narrow(0, 0, rows).cpu().contiguous();
}

ImageMeasures::ImageMeasures(const evaluate::EvaluateConfig& config, std::unique_ptr<data::Dataset> split)
    : samples_(config.samples), split_(std::move(split)) {
  if (samples_ > split_->size())
    throw Error(ExitCode::usage,
                fmt::format("evaluate.samples is {}, but the split that the images are compared with has {}: "
                            "set it to at most that",
                            samples_, split_->size()));
  if (config.features.empty()) return;
  const std::vector<std::int64_t>& dims = split_->spec().at(core::kImageField).dims;
  extractor_ = std::make_unique<evaluate::FeatureExtractor>(config.features, dims[0], dims[1], dims[2]);
}

ImageMeasures::~ImageMeasures() = default;

at::Tensor ImageMeasures::read(data::Dataset& dataset, std::int64_t first, std::int64_t count,
                               std::int64_t of) const {
  const core::FieldSpec& image = dataset.spec().at(core::kImageField);
  const at::Tensor out = at::empty({count, image.dims[0], image.dims[1], image.dims[2]}, at::kByte);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::span bytes(static_cast<std::byte*>(out[i].data_ptr()),
                          static_cast<std::size_t>(image.bytes()));
    dataset.read((first + i) * (dataset.size() / of), {&bytes, 1});
  }
  return out;
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
  const at::Tensor real = read(*split_, share.first, share.count, samples_);
  std::vector<at::Tensor> parts{real.narrow(0, 0, 0)};
  for (std::int64_t i = 0; i < share.count; i += SharedRows::kAlign)
    parts.push_back(
        sampler.sample(share.first + i, std::min(SharedRows::kAlign, share.count - i), kSeed, runner));
  const at::Tensor mine = at::cat(parts);
  generated_ = ranks.gather(mine, samples_);
  const evaluate::SlicedWasserstein distance =
      evaluate::sliced_wasserstein(generated_, ranks.gather(real, samples_));
  std::vector<models::Measure> all = {
      {"sliced_wasserstein", distance.mean,
       fmt::format("sliced Wasserstein distance {:.3f} x 10^-3, of {} generated and as many real images",
                   distance.mean, samples_)}};
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
  return all;
}

void ImageMeasures::release() {
  generated_.reset();
  generated_features_.reset();
}

at::Tensor ImageMeasures::nearest(data::Dataset& others, std::int64_t count, std::int64_t neighbours) {
  if (!extractor_ || !generated_features_.defined())
    throw Error(ExitCode::internal, "nearest() needs features of generated images");
  constexpr std::int64_t kMaxOthers = 10000;
  const std::int64_t n = std::min(others.size(), kMaxOthers);
  at::Tensor images = read(others, 0, n, n);
  at::Tensor rows = features(images);
  std::vector<at::Tensor> picture;
  count = std::min(count, generated_.size(0));
  for (std::int64_t i = 0; i < count; ++i) {
    picture.push_back(generated_.narrow(0, i, 1));
    const at::Tensor distances = (rows - generated_features_[i]).square().sum(1);
    const at::Tensor order = std::get<1>(distances.topk(std::min(neighbours, n), 0, /*largest=*/false));
    picture.push_back(images.index_select(0, order));
  }
  return at::cat(picture);
}

}  // namespace ebb::train
