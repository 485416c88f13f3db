// SPDX-License-Identifier: Apache-2.0
#include "train/checkpoint_evaluation.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "comm/run_on_all_ranks.h"
#include "core/sample.h"
#include "data/device_feed.h"
#include "data/evaluation_loader.h"
#include "data/text_bytes.h"
#include "data/tokenizer.h"
#include "telemetry/image_grid.h"
#include "train/bound_evaluation.h"
#include "train/evaluation.h"
#include "train/image_measures.h"
#include "train/training_data.h"

namespace ebb::train {

namespace {

models::TextSize text_size(const Config& config, data::Dataset& split, Environment& environment) {
  const auto tokenizer = data::make_tokenizer(config.data.tokenizer);
  const std::int64_t ranks = environment.world.size(), rank = environment.world.rank();
  const std::int64_t first = split.size() * rank / ranks, last = split.size() * (rank + 1) / ranks;
  models::TextSize size;
  size.tokens = split.size() * (split.spec().at(core::kTokensField).dims[0] - 1);
  size.bytes = static_cast<std::int64_t>(
      sum_over_ranks(static_cast<double>(data::count_text_bytes(split, *tokenizer, first, last)),
                     *environment.communicator, environment.device, "bytes of text"));
  return size;
}

void write_nearest(ImageMeasures& images, const Config& config, const std::string& path) {
  constexpr std::int64_t kImages = 10, kNeighbours = 5;
  const auto training = open_split(config, "train", {std::string(core::kImageField)});
  telemetry::write_grid(path, images.nearest(*training, kImages, kNeighbours), 1 + kNeighbours);
}

// Error(usage) for an option that the model has no use for.
void require_useful(const EvaluationOptions& options, models::Model& model, const Config& config) {
  const auto refuse = [&config](const std::string& what) {
    throw Error(ExitCode::usage,
                fmt::format("{}, and a model of the family {} has none", what, config.model.family().name));
  };
  if (model.image_sampler() == nullptr &&
      (options.samples.value_or(0) > 0 || !options.features.empty() || !options.nearest.empty()))
    refuse("--samples, --features and --nearest are about generated images");
  if (model.bound_estimator() == nullptr && options.draws.value_or(0) > 0)
    refuse("--draws is about the bound of a latent code");
  const bool has_features = !options.features.empty() || !config.evaluate.features.empty();
  if (!options.nearest.empty() && (!has_features || options.samples == 0))
    throw Error(ExitCode::usage,
                "--nearest compares generated images by features: give --features, and --samples above 0");
  if (!options.features.empty() && options.samples == 0)
    throw Error(ExitCode::usage, "--features are those of generated images, and --samples is 0");
}

// Error(usage) if one of `fields` of the dataset of `split` differs from that which the model was trained on.
void require_same_fields(const data::Dataset& dataset, const std::string& split,
                         const std::vector<std::string>& fields, models::Model& model, const Config& config) {
  const auto trained = model.state().values.at("sample").get<core::SampleSpec>();
  for (const std::string& name : fields) {
    if (dataset.spec().at(name) == trained.at(name)) continue;
    throw Error(ExitCode::usage, fmt::format("the model was trained on samples {}, but {} has {}",
                                             nlohmann::json(trained).dump(),
                                             (std::filesystem::path(config.data.source) / split).string(),
                                             nlohmann::json(dataset.spec()).dump()));
  }
}

evaluate::EvaluateConfig config_of_images(const Config& config, const EvaluationOptions& options,
                                          std::int64_t images_of_the_split) {
  constexpr std::int64_t kMostByDefault = 10000;
  evaluate::EvaluateConfig out = config.evaluate;
  if (!options.features.empty()) out.features = options.features;
  const std::int64_t usual = out.samples > 0 ? out.samples : std::min(images_of_the_split, kMostByDefault);
  out.samples = options.samples.value_or(usual);
  return out;
}

}  // namespace

EvaluatedCheckpoint evaluate_checkpoint(LoadedModel& loaded, core::UnitRunner& runner,
                                        const EvaluationOptions& options, Environment& environment) {
  constexpr std::int64_t kDraws = 64;
  const at::NoGradGuard no_grad;
  const Config& config = loaded.config;
  models::Model& model = *loaded.model;
  std::unique_ptr<data::EvaluationLoader> split;
  std::unique_ptr<ImageMeasures> images;
  const std::vector<std::string> image_field{std::string(core::kImageField)};
  const bool writes_nearest = !options.nearest.empty() && environment.world.rank() == 0;
  // Finds all faults before it computes.
  comm::run_on_all_ranks(environment.world, config.parallel.timeout_s, [&] {
    require_useful(options, model, config);
    config::require_known(config.references, "data.source");
    auto dataset = open_split(config, options.split, config.model.fields());
    require_same_fields(*dataset, options.split, config.model.fields(), model, config);
    if (dataset->spec().find(core::kTokensField) != nullptr)
      config::require_known(config.references, "data.tokenizer");
    if (model.image_sampler() != nullptr) {
      const evaluate::EvaluateConfig of_images = config_of_images(config, options, dataset->size());
      if (of_images.samples > 0 && options.features.empty())
        config::require_known(config.references, "evaluate.features");
      if (of_images.samples > 0)
        images = std::make_unique<ImageMeasures>(of_images, open_split(config, options.split, image_field));
    }
    if (writes_nearest)
      require_same_fields(*open_split(config, "train", image_field), "train", image_field, model, config);
    split = std::make_unique<data::EvaluationLoader>(
        std::move(dataset),
        data::EvaluationPlan{config.data.batch / config.data.micro_batch_count(), environment.world.rank(),
                             environment.world.size(), environment.device.is_cuda()});
  });
  EvaluatedCheckpoint out;
  if (split->spec().find(core::kTokensField) != nullptr && config.data.tokenizer != "none") {
    const auto windows = open_split(config, options.split, {std::string(core::kTokensField)});
    out.result.text = text_size(config, *windows, environment);
  }
  data::DeviceFeed feed(environment.device);
  const Evaluation loss = evaluate(*model.phases().front(), runner, *split, *environment.communicator, feed);
  out.result.loss = loss.loss;
  out.result.terms = loss.terms;
  out.result.samples = loss.samples;
  out.result.split = options.split;
  const std::int64_t draws =
      options.draws.value_or(config.evaluate.draws > 0 ? config.evaluate.draws : kDraws);
  if (auto* bound = model.bound_estimator(); bound != nullptr && draws > 0)
    out.result.bound =
        evaluate_bound(*bound, draws, runner, *split, *environment.communicator, feed, environment.device);
  const models::FamilyTexts& texts = config.model.family().texts;
  if (texts.measures) out.measures = texts.measures(out.result);
  if (!images) return out;
  for (models::Measure& measure :
       images->measure(*model.image_sampler(), runner, {*environment.communicator, environment.device}))
    out.measures.push_back(std::move(measure));
  if (const evaluate::FeatureExtractor* source = images->extractor())
    out.features = FeatureSource{source->digest(), source->resize(), source->dimension()};
  if (writes_nearest) write_nearest(*images, config, options.nearest);
  return out;
}

}  // namespace ebb::train
