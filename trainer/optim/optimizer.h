// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "core/stateful.h"
#include "core/unit.h"
#include "optim/config.h"

namespace ebb::optim {

// The factor that reduces the global norm of the gradients to clip_norm. 1 if the norm is not larger, or if
// clip_norm is 0.
double clip_factor(double norm, double clip_norm);

// The rates of one step, from their schedules.
struct Rates {
  double lr, beta2;
};

// Properties of all gradients of a step together.
struct GradientScale {
  double loss_scale = 1;  // the factor that is still in them
  double norm = 0;        // their global norm without that factor, before clipping
};

// AdamW over the split master: weight (the model's own tensor), int16 residual and fp32 moments, per
// parameter. The constructor allocates its state (class optimizer), so that the first step allocates nothing
// that stays.
class Optimizer final : public core::Stateful {
 public:
  // `owner`: the first part of its owner tags in the ledger, "optimizer" for "optimizer.m".
  Optimizer(const OptimizerConfig& config, std::vector<core::Parameter> parameters,
            const std::string& owner = "optimizer");
  // Starts one parameter from its fp32 initial values: weight and residual become the two halves of each
  // value.
  void set_master(std::size_t parameter, const at::Tensor& master);
  // `grads` in the order of the parameters, each of its parameter's numel. They are divided by the loss scale
  // and clipped to clip_norm.
  void step(const std::vector<at::Tensor>& grads, const Rates& rates, const GradientScale& scale);
  // The fp32 master of one parameter, flat. It is made from the two halves, or is the weight itself.
  [[nodiscard]] at::Tensor master(std::size_t parameter) const;
  [[nodiscard]] std::int64_t steps_taken() const { return steps_; }
  core::State state() override;  // residuals, moments; values: steps
  void restore(const nlohmann::json& values) override;

 private:
  OptimizerConfig config_;
  std::vector<core::Parameter> parameters_;
  std::vector<at::Tensor> residuals_, m_, v_;
  std::int64_t steps_ = 0;
};

}  // namespace ebb::optim
