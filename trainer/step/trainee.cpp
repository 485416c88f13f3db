// SPDX-License-Identifier: Apache-2.0
#include "step/trainee.h"

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
      steps_(plan.steps),
      optimizer_(config_, parameters_, below(name_, "optimizer")),
      scaler_(plan.scaler),
      reducer_(parameters_, communicator, plan.bucket_bytes, plan.micro_batches, below(name_, "bucket")) {}

double Trainee::learning_rate(std::int64_t step) const {
  return optim::learning_rate(config_.schedule, config_.lr, step, steps_);
}

std::map<std::string, core::Stateful*> Trainee::parts() {
  return {{below(name_, "optimizer"), &optimizer_}, {below(name_, "scaler"), &scaler_state_}};
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
