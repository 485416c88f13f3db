#pragma once
#include <ATen/ATen.h>

#include <array>

#include "numerics/cpu/kernels.h"

namespace ebb::numerics::cpu {

struct LinearOutput {
  at::Tensor y;
  at::Tensor before;  // value before the activation, where asked for
};

// Contiguous tensors of one dtype, on the CPU or on meta (where only the allocations are made). b may be
// undefined.
LinearOutput linear_forward(const at::Tensor& x, const at::Tensor& w, const at::Tensor& b, Act act,
                            bool keep_before);
// Gradients of x, w and b, each only where wanted. `saved` is y for relu, the value before the activation for
// silu and gelu, else undefined.
std::array<at::Tensor, 3> linear_backward(const at::Tensor& dy, const at::Tensor& x, const at::Tensor& w,
                                          const at::Tensor& saved, Act act, std::array<bool, 3> wanted);

}  // namespace ebb::numerics::cpu
