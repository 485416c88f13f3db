// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "models/gpt/gpt.h"
#include "numerics/ops.h"

namespace ebb::models {

// The parameters of a unit, in the order in which they were added and are used.
class Gpt::ParameterReader {
 public:
  explicit ParameterReader(const core::Unit& unit) : unit_(unit) {}
  const at::Tensor& next() { return unit_.parameters[next_++].tensor; }
  // y = act(x W^T + b), with b if the model has biases.
  at::Tensor dense(const at::Tensor& x, bool bias, numerics::Activation act = numerics::Activation::none) {
    const at::Tensor& w = next();
    return numerics::linear(x, w, bias ? next() : at::Tensor(), act);
  }

 private:
  const core::Unit& unit_;
  std::size_t next_ = 0;
};

}  // namespace ebb::models
