// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <cstdint>

#include "numerics/activation.h"

// Helpers of the ops that end with an activation.
namespace ebb::numerics {

// LibTorch's activation of z.
at::Tensor framework_activation(const at::Tensor& z, Activation act);

// dy act'(z) for a piecewise linear activation, by its output y. Consists of LibTorch's operators, so it has
// derivatives of any order. y is a constant to it: the second derivative of the activation is 0.
at::Tensor piecewise_gradient(const at::Tensor& dy, const at::Tensor& y, Activation act);

// Error(internal) unless x and w have `rank` dimensions, and x, w and b (or undefined) one dtype and device.
void check_operands(const char* op, const at::Tensor& x, const at::Tensor& w, const at::Tensor& b,
                    std::int64_t rank);

// Whether autograd will record an op with these inputs.
bool needs_graph(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b);

// Whether backward needs the pre-activation instead of the output.
inline bool keeps_pre_activation(Activation act) {
  return !is_piecewise_linear(act);
}

// The tensor that backward needs: the output, which the next layer keeps anyway, or the pre-activation.
inline at::Tensor saved_for_backward(Activation act, const at::Tensor& y, const at::Tensor& pre_activation) {
  if (act == Activation::none) return {};
  return keeps_pre_activation(act) ? pre_activation : y;
}

}  // namespace ebb::numerics
