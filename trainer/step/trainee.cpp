// SPDX-License-Identifier: Apache-2.0
#include "step/trainee.h"

#include "optim/schedule.h"

namespace ebb::step {

namespace {

std::string below(const std::string& name, const char* part) {
  return name.empty() ? part : name + "." + part;
}

}  // namespace

Trainee::Trainee(std::string name, std::vector<core::Parameter> parameters, const TraineePlan& plan,
                 comm::Communicator& communicator)
    : name_(std::move(name)),
      parameters_(std::move(parameters)),
      config_(plan.optimizer),
      average_config_(plan.average),
      steps_(plan.steps),
      samples_(plan.samples),
      optimizer_(config_, parameters_, below(name_, "optimizer")),
      scaler_(plan.scaler),
      reducer_(parameters_, communicator, plan.bucket_bytes, plan.micro_batches, below(name_, "bucket")) {
  if (plan.average.enabled()) average_.emplace(parameters_, below(name_, "average"));
}

optim::Rates Trainee::rates(std::int64_t step) const {
  return {optim::learning_rate(config_.schedule, config_.lr, step, config_.schedule.length(steps_, samples_)),
          config_.beta2_schedule.value(config_.beta2, config_.final_beta2, step * samples_)};
}

std::vector<std::pair<std::string, double>> Trainee::scheduled(std::int64_t step) const {
  std::vector<std::pair<std::string, double>> values;
  if (config_.beta2_schedule.curve != core::Curve::constant) values.emplace_back("beta2", rates(step).beta2);
  if (average_) values.emplace_back("average_decay", average_config_.decay(step * samples_, samples_));
  return values;
}

void Trainee::update_average(std::int64_t step) {
  if (average_) average_->update(optimizer_, average_config_.decay(step * samples_, samples_));
}

std::map<std::string, core::Stateful*> Trainee::parts() {
  std::map<std::string, core::Stateful*> parts{{below(name_, "optimizer"), &optimizer_},
                                               {below(name_, "scaler"), &scaler_state_}};
  if (average_) parts.emplace(below(name_, "average"), &*average_);
  return parts;
}

FreezeGuard::FreezeGuard(const std::vector<Trainee*>& all, const Trainee& trained) {
  for (const Trainee* other : all) {
    if (other == &trained) continue;
    for (const core::Parameter& parameter : other->parameters()) {
      parameter.tensor.set_requires_grad(false);
      frozen_.push_back(parameter.tensor);
    }
  }
}

FreezeGuard::~FreezeGuard() {
  for (const at::Tensor& tensor : frozen_) tensor.set_requires_grad(true);
}

}  // namespace ebb::step
