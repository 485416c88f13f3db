// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <utility>
#include <vector>

namespace ebb::evaluate {

// Finds the rows with the smallest Euclidean distances to each query, among rows that come in parts. It keeps
// the distances found, and none of the rows.
class NearestRows {
 public:
  // queries [Q, F] fp32 on the CPU, Q at least 1. `count` rows are kept for each, at least 1.
  NearestRows(at::Tensor queries, std::int64_t count);
  // The next rows [n, F], n at least 1. Errors as those of feature_distances.h.
  void add(const at::Tensor& rows);
  // The numbers of the rows, counted over all parts: int64 [Q, min(count, rows)], the nearest first. Of equal
  // distances, the lower number comes first.
  [[nodiscard]] at::Tensor indices() const;

 private:
  using Neighbour = std::pair<double, std::int64_t>;  // squared distance, row
  at::Tensor queries_;
  std::int64_t count_, seen_ = 0;
  std::vector<std::vector<Neighbour>> nearest_;  // of each query, by distance
};

}  // namespace ebb::evaluate
