// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/unit.h"
#include "models/model.h"
#include "numerics/activation.h"

namespace ebb::models {

// Adds parameters to the units of one network. Each draws its initial values from its own counter.
class ParameterMaker {
 public:
  // `network`: separates the random numbers of networks of one model.
  ParameterMaker(const ModelInputs& inputs, std::uint32_t network);
  // A weight with normal initial values of this standard deviation; 0: zeros.
  void weight(core::Unit& unit, const std::string& name, std::vector<std::int64_t> shape, double deviation);
  // A vector that weight decay does not apply to.
  void vector(core::Unit& unit, const std::string& name, std::int64_t size, double value);

 private:
  core::Parameter& add(core::Unit& unit, const std::string& name, const std::vector<std::int64_t>& shape);
  at::ScalarType dtype_;
  at::Device device_;
  std::uint64_t seed_;
  std::uint32_t next_;
};

// A 1 x 1 convolution of a channels-last image: x [B, C, H, W], w [K, C], b [K] or undefined.
at::Tensor pointwise(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, numerics::Activation act);

}  // namespace ebb::models
