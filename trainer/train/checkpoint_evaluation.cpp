// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_evaluation.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "comm/run_on_all_ranks.h"
#include "core/sample.h"
#include "data/device_feed.h"
#include "data/evaluation_loader.h"
#include "data/text_bytes.h"
#include "data/tokenizer.h"
#include "telemetry/image_grid.h"
#include "train/evaluation.h"
#include "train/image_measures.h"
#include "train/training_data.h"

namespace ebb::train {

namespace {

// The sum over the ranks, in rank order.
double sum_over_ranks(double mine, Environment& environment, const char* what) {
  const at::Tensor sum =
      at::full({1}, mine, at::TensorOptions().dtype(at::kDouble).device(environment.device));
  environment.communicator->all_reduce(sum, what);
  return sum.item<double>();
}

models::LikelihoodBound bound_of(models::BoundEstimator& model, std::int64_t draws,
                                 data::EvaluationLoader& split, data::DeviceFeed& feed,
                                 core::UnitRunner& runner, Environment& environment) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::activations, "evaluation");
  split.restart();
  double sum = 0;
  for (;;) {
    feed.finish_copy();
    auto part = split.next();
    if (!part) break;
    part->position += kEvaluationPosition;
    part->global_batch = 1;
    feed.start_copy(*part);
    if (part->size() > 0) sum += model.log_likelihood_bound(*part, draws, runner).sum().item<double>();
  }
  models::LikelihoodBound bound;
  bound.nats = sum_over_ranks(sum, environment, "likelihood bound") / static_cast<double>(split.samples());
  bound.draws = draws;
  bound.dimensions = model.dimensions();
  bound.is_discrete = model.is_discrete();
  return bound;
}

models::TextSize text_size(const Config& config, data::Dataset& split, Environment& environment) {
  const auto tokenizer = data::make_tokenizer(config.data.tokenizer);
  const std::int64_t ranks = environment.world.size(), rank = environment.world.rank();
  const std::int64_t first = split.size() * rank / ranks, last = split.size() * (rank + 1) / ranks;
  models::TextSize size;
  size.tokens = split.size() * (split.spec().at(core::kTokensField).dims[0] - 1);
  size.bytes = static_cast<std::int64_t>(
      sum_over_ranks(static_cast<double>(data::count_text_bytes(split, *tokenizer, first, last)), environment,
                     "bytes of text"));
  return size;
}

void write_nearest(ImageMeasures& images, const Config& config, const std::string& path) {
  constexpr std::int64_t kImages = 10, kNeighbours = 5;
  const auto training = open_split(config, "train", {std::string(core::kImageField)});
  telemetry::write_grid(path, images.nearest(*training, kImages, kNeighbours), 1 + kNeighbours);
}

// Measures of generated images, added to `measures`.
void measure_images(models::ImageSampler& sampler, const LoadedModel& loaded, core::UnitRunner& runner,
                    const EvaluationOptions& options, Environment& environment,
                    std::vector<models::Measure>& measures) {
  constexpr std::int64_t kMostByDefault = 10000;
  evaluate::EvaluateConfig config = loaded.config.evaluate;
  std::unique_ptr<ImageMeasures> images;
  comm::run_on_all_ranks(environment.world, loaded.config.parallel.timeout_s, [&] {
    auto split = open_split(loaded.config, options.split, {std::string(core::kImageField)});
    config.samples = options.samples.value_or(std::min(split->size(), kMostByDefault));
    if (config.samples > 0) images = std::make_unique<ImageMeasures>(config, std::move(split));
  });
  if (!images) return;
  const at::NoGradGuard no_grad;
  for (models::Measure& measure :
       images->measure(sampler, runner, {*environment.communicator, environment.device}))
    measures.push_back(std::move(measure));
  if (!options.nearest.empty() && environment.world.rank() == 0)
    write_nearest(*images, loaded.config, options.nearest);
}

}  // namespace

EvaluatedCheckpoint evaluate_checkpoint(LoadedModel& loaded, core::UnitRunner& runner,
                                        const EvaluationOptions& options, Environment& environment) {
  const Config& config = loaded.config;
  models::Model& model = *loaded.model;
  if (!options.nearest.empty() && (model.image_sampler() == nullptr || config.evaluate.features.empty()))
    throw Error(ExitCode::usage,
                "the nearest training images need a model that makes images, and features: give --features");
  std::unique_ptr<data::EvaluationLoader> split;
  std::optional<models::TextSize> text;
  comm::run_on_all_ranks(environment.world, config.parallel.timeout_s, [&] {
    split = std::make_unique<data::EvaluationLoader>(
        open_split(config, options.split, config.model.fields()),
        data::EvaluationPlan{config.data.batch / config.data.micro_batches, environment.world.rank(),
                             environment.world.size(), environment.device.is_cuda()});
  });
  if (split->spec().find(core::kTokensField) != nullptr && config.data.tokenizer != "none") {
    const auto windows = open_split(config, options.split, {std::string(core::kTokensField)});
    text = text_size(config, *windows, environment);
  }
  data::DeviceFeed feed(environment.device);
  EvaluatedCheckpoint out;
  const Evaluation loss = evaluate(*model.phases().front(), runner, *split, *environment.communicator, feed);
  out.result = {loss.loss, loss.terms, loss.samples, std::nullopt, text};
  if (auto* bound = model.bound_estimator(); bound != nullptr && options.draws > 0)
    out.result.bound = bound_of(*bound, options.draws, *split, feed, runner, environment);
  const models::FamilyTexts& texts = config.model.family().texts;
  if (texts.measures) out.measures = texts.measures(out.result);
  if (auto* images = model.image_sampler())
    measure_images(*images, loaded, runner, options, environment, out.measures);
  return out;
}

}  // namespace ebb::train
