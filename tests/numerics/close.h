// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

namespace ebb::numerics {

// Largest difference relative to the largest value of the reference.
inline double relative_error(const at::Tensor& value, const at::Tensor& reference) {
  if (reference.numel() == 0) return value.numel() == 0 ? 0.0 : 1.0;
  const at::Tensor r = reference.to(at::kDouble);
  return (value.to(at::kDouble) - r).abs().max().item<double>() / (r.abs().max().item<double>() + 1e-30);
}

// Half a unit in the last place of the dtype, doubled for values that are computed in fp32 and rounded once.
inline double rounding(at::ScalarType dtype) {
  return dtype == at::kHalf ? 0x1p-11 : dtype == at::kBFloat16 ? 0x1p-8 : 1e-5;
}

inline at::Tensor bits(const at::Tensor& t) {
  return t.contiguous().view(t.element_size() == 2 ? at::kShort : at::kInt);
}

}  // namespace ebb::numerics
