// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace ebb::numerics {

// The larger of two errors of `value` against `reference`, best of fp64. One is the norm of the difference
// relative to that of the reference. The other is the largest |v - r| / (|r| + 4 rms) of an element, where
// rms is that of the reference: small elements come from sums that cancel. `scale` is the least rms to
// assume, for results that cancel as a whole. A difference that is not finite has the error infinity.
inline double relative_error(const at::Tensor& value, const at::Tensor& reference, double scale = 0) {
  if (reference.numel() == 0) return value.numel() == 0 ? 0.0 : 1.0;
  const at::Tensor r = reference.to(at::kDouble), difference = (value.to(at::kDouble) - r).abs();
  if (!difference.isfinite().all().item<bool>()) return std::numeric_limits<double>::infinity();
  const double root = std::sqrt(static_cast<double>(r.numel()));
  const double rms = std::max(r.norm().item<double>() / root, scale) + 1e-30;
  return std::max(difference.norm().item<double>() / root / rms,
                  (difference / (r.abs() + 4 * rms)).max().item<double>());
}

// Half a unit in the last place of the dtype, doubled for values that are computed in fp32 and rounded once.
inline double rounding(at::ScalarType dtype) {
  return dtype == at::kHalf ? 0x1p-11 : dtype == at::kBFloat16 ? 0x1p-8 : 1e-5;
}

inline at::Tensor bits(const at::Tensor& t) {
  return t.contiguous().view(t.element_size() == 2 ? at::kShort : at::kInt);
}

}  // namespace ebb::numerics
