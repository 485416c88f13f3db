// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <functional>
#include <string_view>

namespace ebb::evaluate {

// Checks two sets of features [rows, F] fp32 on the CPU, of equal F. `measure` names them in errors.
// Error(internal): other tensors. Error(usage): a set has fewer than `least` rows. Error(numerics): a feature
// is infinite or not a number.
void check_features(const at::Tensor& a, const at::Tensor& b, std::int64_t least, std::string_view measure);

// A part of a matrix of squared distances, fp64: `squared` has `columns` values a row.
struct DistanceBlock {
  std::int64_t first_row, rows, first_column, columns;
  const double* squared;
  [[nodiscard]] const double* row(std::int64_t i) const { return squared + i * columns; }
};

// Calls `use` with blocks of the squared Euclidean distances of each row of `a` to each row of `b`: rows
// upwards, and for each block of rows the columns upwards. A block has at most 1024 x 4096 distances (32
// MiB). Two such blocks of features are in memory as fp64.
//
// |x - y|^2 is |x|^2 + |y|^2 - 2 x.y in fp64. Up to F = 4096 the rounding error is below 2^-40 of |x|^2 +
// |y|^2. Smaller distances count as 0, so the distance of equal rows is 0.
void for_distance_blocks(const at::Tensor& a, const at::Tensor& b,
                         const std::function<void(const DistanceBlock&)>& use);

}  // namespace ebb::evaluate
