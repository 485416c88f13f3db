// SPDX-License-Identifier: Apache-2.0
// Evaluations and samples of a run, between its steps.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <utility>

#include "base/file.h"
#include "train/bound_evaluation.h"
#include "train/samples.h"
#include "train/training.h"

namespace ebb::train {

// Finds faults of the section `evaluate` before the first step.
void Training::prepare_measures() {
  const std::int64_t draws = config_.evaluate.draws;
  if (draws > 0) (void)bound_estimator_of(trainees_.model(), draws, config_.model.family().name);
  if (config_.evaluate.samples == 0) return;
  (void)image_sampler_of(trainees_.model(), config_.evaluate.samples, config_.model.family().name);
  image_measures_ = std::make_unique<ImageMeasures>(
      config_.evaluate, open_split(config_, "test", {std::string(core::kImageField)}));
}

// Does on little data what the run does only later. Leaves weights, random numbers and memory as they were.
void Training::try_outputs() {
  const memory::StageScope stage(environment_.ledger, memory::Stage::evaluate);
  const memory::TemporaryUse temporary(environment_.cache);
  const auto averaged = trainees_.averaged();
  try_evaluation(*trainees_.model().phases().front(), *runner_, data_->test(), data_->feed());
  if (environment_.world.rank() == 0 && (config_.run.samples || config_.run.sample_every > 0))
    try_samples(config_, *runner_, trainees_.model(), config_.run.folder());
}

Evaluation Training::evaluate() {
  const memory::StageScope stage(environment_.ledger, memory::Stage::evaluate);
  const memory::TemporaryUse temporary(environment_.cache);
  const auto start = std::chrono::steady_clock::now();
  listeners_.evaluating(cursor_.step);
  const auto averaged = trainees_.averaged();
  Evaluation result = train::evaluate(*trainees_.model().phases().front(), *runner_, data_->test(),
                                      *environment_.communicator, data_->feed());
  if (config_.evaluate.draws > 0) add_bound(result);
  if (image_measures_) {
    for (models::Measure& measure : image_measures_->measure(
             *trainees_.model().image_sampler(), *runner_, {*environment_.communicator, environment_.device}))
      result.measures.push_back(std::move(measure));
    image_measures_->release();
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  listeners_.evaluated(cursor_.step, result, took.count());
  if (!std::isfinite(result.loss))
    throw DivergenceError(
        fmt::format("the test loss is not finite after step {}: the run has diverged", cursor_.step));
  return result;
}

// The measures of `ebb evaluate` that come from the loss and the importance-weighted bound.
void Training::add_bound(Evaluation& result) {
  models::TestResult tested;
  tested.loss = result.loss;
  tested.terms = result.terms;
  tested.samples = result.samples;
  tested.bound =
      evaluate_bound(*trainees_.model().bound_estimator(), config_.evaluate.draws, *runner_, data_->test(),
                     *environment_.communicator, data_->feed(), environment_.device);
  result.measures = config_.model.family().texts.measures(tested);
}

// The other ranks wait for rank 0 in the first collective of the next step.
void Training::sample() {
  if (environment_.world.rank() != 0) return;
  const memory::StageScope stage(environment_.ledger, memory::Stage::evaluate);
  const memory::TemporaryUse temporary(environment_.cache);
  const auto folder = config_.run.folder() / "samples" / fmt::format("step-{:08}", cursor_.step);
  make_folders(folder);
  const auto averaged = trainees_.averaged();
  write_samples(config_, *runner_, trainees_.model(), folder);
  listeners_.sampled();
}

}  // namespace ebb::train
