// SPDX-License-Identifier: Apache-2.0
#include "train/bound_evaluation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "memory/ledger.h"
#include "train/evaluation.h"

namespace ebb::train {

double sum_over_ranks(double mine, comm::Communicator& communicator, at::Device device, const char* what) {
  const memory::Tag tag(memory::Class::communication, "evaluation");
  const at::Tensor sum = at::full({1}, mine, at::TensorOptions().dtype(at::kDouble).device(device));
  communicator.all_reduce(sum, what);
  return sum.item<double>();
}

models::BoundEstimator& bound_estimator_of(models::Model& model, std::int64_t draws,
                                           const std::string& family) {
  if (models::BoundEstimator* const estimator = model.bound_estimator()) return *estimator;
  throw Error(
      ExitCode::usage,
      fmt::format("evaluate.draws is {}, but a model of the family {} has no latent code: set it to 0", draws,
                  family));
}

models::LikelihoodBound evaluate_bound(models::BoundEstimator& model, std::int64_t draws,
                                       core::UnitRunner& runner, data::EvaluationLoader& split,
                                       comm::Communicator& communicator, data::DeviceFeed& feed,
                                       at::Device device) {
  double sum = 0;
  for_each_part(split, feed, [&](const core::Batch& part) {
    if (part.size() > 0) sum += model.log_likelihood_bound(part, draws, runner).sum().item<double>();
  });
  models::LikelihoodBound bound;
  bound.nats =
      sum_over_ranks(sum, communicator, device, "likelihood bound") / static_cast<double>(split.samples());
  bound.draws = draws;
  bound.dimensions = model.dimensions();
  bound.is_discrete = model.is_discrete();
  return bound;
}

// The third draw and those after it need no more than the second one.
void plan_bound(models::BoundEstimator& model, std::int64_t draws, core::UnitRunner& runner,
                const core::Batch& part) {
  const memory::Tag tag(memory::Class::activations, "evaluation");
  (void)model.log_likelihood_bound(part, std::min<std::int64_t>(draws, 3), runner);
  const memory::Tag of_sum(memory::Class::communication, "evaluation");
  (void)at::empty({1}, at::TensorOptions().dtype(at::kDouble).device(at::kMeta));
}

}  // namespace ebb::train
