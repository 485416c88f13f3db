// SPDX-License-Identifier: Apache-2.0
#include "train/trainees.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "step/phase_rules.h"
#include "train/weights.h"

namespace ebb::train {

namespace {

numerics::LossScaler make_scaler(const Config& config) {
  return config.precision.dtype == numerics::Dtype::fp16 ? numerics::LossScaler(config.precision.loss_scale)
                                                         : numerics::LossScaler::fixed();
}

// Returns the parameters of the phase's trainee: check_phases() requires the same units in all its phases.
std::vector<core::Parameter> parameters_of(core::Phase& phase) {
  std::vector<core::Parameter> parameters;
  for (core::Unit* unit : phase.units())
    parameters.insert(parameters.end(), unit->parameters.begin(), unit->parameters.end());
  return parameters;
}

}  // namespace

Trainees::Trainees(const Config& config, at::Device device, comm::Communicator& communicator,
                   const core::SampleSpec& sample)
    : model_(models::make_model(config.model, sample, config.precision.dtype, device,
                                static_cast<std::uint64_t>(config.run.seed))) {
  step::check_phases(model_->phases(), config.model.family().trainees);
  step::TraineePlan plan;
  plan.scaler = make_scaler(config);
  plan.bucket_bytes = config.parallel.bucket_bytes;
  plan.micro_batches = config.data.micro_batch_count();
  plan.steps = config.run.steps;
  plan.samples = config.data.batch;
  for (core::Phase* phase : model_->phases()) {
    const std::string name = phase->plan().trainee;
    const auto has_name = [&](const auto& trainee) { return trainee->name() == name; };
    if (std::any_of(trainees_.begin(), trainees_.end(), has_name)) continue;
    const TraineeConfig sections = config.trainee(name);
    plan.optimizer = sections.optimizer;
    plan.average = sections.average;
    trainees_.push_back(std::make_unique<step::Trainee>(name, parameters_of(*phase), plan, communicator));
  }
}

// It sets one parameter at a time, so that the temporary memory is that of the largest.
void Trainees::set_initial_values(const Config& config) {
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "initial values");
  const models::FamilyConfig& family = config.model.chosen();
  std::unique_ptr<WeightFolder> weights;
  if (!family.initial_weights().empty()) {
    weights = std::make_unique<WeightFolder>(family.initial_weights(), config.model.families());
    weights->require(family, config.data.context);
  }
  for (const auto& trainee : trainees_) {
    for (std::size_t i = 0; i < trainee->parameters().size(); ++i) {
      const core::Parameter& parameter = trainee->parameters()[i];
      if (!weights) {
        trainee->optimizer().set_master(i, parameter.initial());
        continue;
      }
      const at::Tensor master = at::empty(parameter.tensor.sizes(), at::kFloat);
      weights->read(parameter.name, master, config.precision.dtype);
      trainee->optimizer().set_master(i, master);
    }
  }
}

step::Trainee& Trainees::trainee(const std::string& name) {
  for (const auto& trainee : trainees_)
    if (trainee->name() == name) return *trainee;
  throw Error(ExitCode::internal, fmt::format("no trainee has the name {}", name));
}

std::vector<step::BoundPhase> Trainees::bound_phases() {
  std::vector<step::BoundPhase> bound;
  for (core::Phase* phase : model_->phases()) bound.push_back({*phase, trainee(phase->plan().trainee)});
  return bound;
}

std::vector<std::unique_ptr<optim::AverageScope>> Trainees::averaged() {
  std::vector<std::unique_ptr<optim::AverageScope>> scopes;
  for (const auto& trainee : trainees_)
    scopes.push_back(std::make_unique<optim::AverageScope>(trainee->average()));
  return scopes;
}

BatchPlan Trainees::batch_plan() {
  return {step::batches_per_step(model_->phases()), step::keeps_batches(model_->phases())};
}

checkpoint::Parts Trainees::parts() {
  checkpoint::Parts parts{{"model", model_.get()}};
  for (const auto& trainee : trainees_) parts.merge(trainee->parts());
  return parts;
}

}  // namespace ebb::train
