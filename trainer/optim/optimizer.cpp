// SPDX-License-Identifier: Apache-2.0
#include "optim/optimizer.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>

#include "base/error.h"
#include "base/json.h"
#include "memory/ledger.h"
#include "numerics/update.h"

namespace ebb::optim {

double clip_factor(double norm, double clip_norm) {
  return clip_norm > 0 && norm > clip_norm ? clip_norm / norm : 1.0;
}

Optimizer::Optimizer(const OptimizerConfig& config, std::vector<core::Parameter> parameters,
                     const std::string& owner)
    : config_(config), parameters_(std::move(parameters)) {
  for (const core::Parameter& p : parameters_) {
    const at::TensorOptions options = at::TensorOptions().device(p.tensor.device());
    const std::int64_t n = p.tensor.numel();
    const bool split = p.tensor.scalar_type() != at::kFloat;
    {
      const memory::Tag tag(memory::Class::optimizer, owner + ".residual");
      residuals_.push_back(split ? at::zeros({n}, options.dtype(at::kShort)) : at::Tensor());
    }
    {
      const memory::Tag tag(memory::Class::optimizer, owner + ".m");
      m_.push_back(at::zeros({n}, options.dtype(at::kFloat)));
    }
    const memory::Tag tag(memory::Class::optimizer, owner + ".v");
    v_.push_back(at::zeros({n}, options.dtype(at::kFloat)));
  }
}

void Optimizer::set_master(std::size_t parameter, const at::Tensor& master) {
  const c10::InferenceMode guard(false);
  const at::NoGradGuard no_grad;
  const at::Tensor weight = parameters_.at(parameter).tensor.detach();
  numerics::split_master(master.to(weight.device()).contiguous().flatten(), weight, residuals_[parameter]);
}

at::Tensor Optimizer::master(std::size_t parameter) const {
  return numerics::join_master(parameters_.at(parameter).tensor.detach().flatten(), residuals_[parameter]);
}

void Optimizer::step(const std::vector<at::Tensor>& grads, const Rates& rates, const GradientScale& scale) {
  if (grads.size() != parameters_.size())
    throw Error(ExitCode::internal,
                fmt::format("optimizer: {} gradients for {} parameters", grads.size(), parameters_.size()));
  ++steps_;
  numerics::AdamW settings;
  settings.lr = rates.lr;
  settings.beta1 = config_.beta1;
  settings.beta2 = rates.beta2;
  settings.eps = config_.eps;
  settings.step = steps_;
  settings.gradient_scale = clip_factor(scale.norm, config_.clip_norm) / scale.loss_scale;
  std::vector<numerics::AdamWRange> ranges;
  ranges.reserve(parameters_.size());
  for (std::size_t i = 0; i < parameters_.size(); ++i)
    ranges.push_back({parameters_[i].tensor.detach(), residuals_[i], grads[i].detach(), m_[i], v_[i],
                      parameters_[i].decay ? config_.weight_decay : 0.0});
  numerics::adamw_update(ranges, settings);
}

core::State Optimizer::state() {
  core::State state;
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    const std::string& name = parameters_[i].name;
    if (residuals_[i].defined()) state.tensors[name + ".residual"] = residuals_[i];
    state.tensors[name + ".m"] = m_[i];
    state.tensors[name + ".v"] = v_[i];
  }
  state.values["steps"] = steps_;
  return state;
}

void Optimizer::restore(const nlohmann::json& values) {
  steps_ = whole_number(values.at("steps"), 0, INT64_MAX);
}

}  // namespace ebb::optim
