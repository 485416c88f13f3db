// SPDX-License-Identifier: Apache-2.0
#include "train/planned_run.h"

#include <filesystem>
#include <system_error>

#include "base/error.h"
#include "evaluate/features.h"
#include "train/resource_estimate.h"

namespace ebb::train {

namespace {

// Nothing for a file that a run refuses: it does so on all ranks at once.
std::vector<std::int64_t> readable_extractor(const Config& config) try {
  return feature_extractor_of(config).value_or(std::vector<std::int64_t>{});
} catch (const Error&) {
  return {};
}

}  // namespace

std::optional<std::vector<std::int64_t>> feature_extractor_of(const Config& config) {
  const evaluate::EvaluateConfig& measures = config.evaluate;
  if (measures.samples == 0 || measures.features.empty()) return std::vector<std::int64_t>{};
  return evaluate::feature_extractor_blocks(measures.features);
}

// Image measures open the split for evaluations once more.
PlannedRun planned_run(const Config& config, const Splits& splits, int ranks,
                       const models::RunnerFactory& make_runner) {
  const data::Dataset &training = *splits.train, &test = *splits.test;
  const std::int64_t tests = config.evaluate.samples > 0 ? 2 : 1;
  return {training.spec(),
          test.size(),
          ranks,
          make_runner,
          training.cache_bytes() + tests * test.cache_bytes(),
          training.written_cache_bytes() + test.written_cache_bytes(),
          readable_extractor(config)};
}

PlannedRun planned_run_here(const Config& config, const std::vector<std::int64_t>& image,
                            const models::RunnerFactory& make_runner) {
  std::error_code ignored;  // what cannot be read is left to the format
  const std::filesystem::path source = config.data.source;
  if (!std::filesystem::exists(source, ignored) || std::filesystem::is_empty(source, ignored))
    return {planned_sample(config, image), 0, 1, make_runner, 0, 0, readable_extractor(config)};
  PlannedRun run = planned_run(config, open_splits(config), 1, make_runner);
  if (!image.empty()) run.sample = planned_sample(config, image);
  return run;
}

}  // namespace ebb::train
