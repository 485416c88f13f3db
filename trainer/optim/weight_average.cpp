// SPDX-License-Identifier: Apache-2.0
#include "optim/weight_average.h"

#include <ATen/core/grad_mode.h>

#include "base/json.h"
#include "memory/ledger.h"

namespace ebb::optim {

WeightAverage::WeightAverage(std::vector<core::Parameter> parameters, const std::string& owner)
    : parameters_(std::move(parameters)) {
  const memory::Tag tag(memory::Class::optimizer, owner);
  for (const core::Parameter& p : parameters_)
    averages_.push_back(
        at::zeros(p.tensor.sizes(), p.tensor.options().dtype(at::kFloat).requires_grad(false)));
}

void WeightAverage::update(const Optimizer& optimizer, double decay) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "average");
  for (std::size_t i = 0; i < averages_.size(); ++i) {
    const at::Tensor master = optimizer.master(i).view(averages_[i].sizes());
    averages_[i].lerp_(master, updates_ == 0 ? 1.0 : 1.0 - decay);
  }
  ++updates_;
}

core::State WeightAverage::state() {
  core::State state;
  for (std::size_t i = 0; i < averages_.size(); ++i) state.tensors[parameters_[i].name] = averages_[i];
  state.values["updates"] = updates_;
  return state;
}

void WeightAverage::restore(const nlohmann::json& values) {
  updates_ = whole_number(values.at("updates"), 0, INT64_MAX);
}

AverageScope::AverageScope(const WeightAverage* average) {
  if (average == nullptr || average->updates_ == 0) return;
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "average");
  for (std::size_t i = 0; i < average->averages_.size(); ++i) {
    parameters_.push_back(average->parameters_[i].tensor.detach());
    own_.push_back(parameters_.back().clone());
    parameters_.back().copy_(average->averages_[i]);
  }
}

AverageScope::~AverageScope() {
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < own_.size(); ++i) parameters_[i].copy_(own_[i]);
}

}  // namespace ebb::optim
