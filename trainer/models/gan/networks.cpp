// SPDX-License-Identifier: Apache-2.0
#include "models/gan/networks.h"

#include "numerics/ops.h"

namespace ebb::models {

std::vector<core::Unit*> GanNetwork::units() {
  std::vector<core::Unit*> all;
  for (core::Unit& unit : units_) all.push_back(&unit);
  return all;
}

GanNetwork::Tensors GanNetwork::run_stage(std::size_t i, const Tensors& in, core::UnitRunner& runner) {
  return runner.run(units_[i], [this, i](const Tensors& inputs) { return Tensors{stage(i, inputs)}; }, in);
}

at::Tensor GanGenerator::images(const at::Tensor& noise, const at::Tensor& labels, core::UnitRunner& runner) {
  Tensors x{noise};
  if (config_.conditional) x.push_back(labels);
  for (std::size_t i = 0; i < units_.size(); ++i) x = run_stage(i, x, runner);
  return x[0];
}

at::Tensor GanDiscriminator::logits(const at::Tensor& images, const at::Tensor& labels,
                                    core::UnitRunner& runner) {
  Tensors x{images.contiguous(at::MemoryFormat::ChannelsLast)};
  for (std::size_t i = 0; i < units_.size(); ++i) {
    if (i + 1 == units_.size() && config_.conditional) x.push_back(labels);
    x = run_stage(i, x, runner);
  }
  return x[0];
}

at::Tensor GanDiscriminator::head(const at::Tensor& features, const std::vector<core::Parameter>& p,
                                  std::size_t first, const Tensors& in) const {
  const at::Tensor out = numerics::linear(features, p[first].tensor, at::Tensor()).to(at::kFloat);
  if (!config_.conditional) return out.flatten();
  return (out * numerics::embed(in[1], p[first + 1].tensor).to(at::kFloat)).sum(1);
}

}  // namespace ebb::models
