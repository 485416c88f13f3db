// SPDX-License-Identifier: Apache-2.0
#include "evaluate/pairwise.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "base/error.h"

namespace ebb::evaluate {
namespace {

constexpr std::int64_t kRows = 1024, kColumns = 4096;  // of a block

// Replaces the products x.y of a block by squared distances.
void make_distances(at::Tensor& products, const at::Tensor& row_norms, const at::Tensor& column_norms) {
  const std::int64_t columns = products.size(1);
  double* const first = products.mutable_data_ptr<double>();
  const double *row_norm = row_norms.const_data_ptr<double>(),
               *column_norm = column_norms.const_data_ptr<double>();
  at::parallel_for(0, products.size(0), 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) {
      double* const row = first + i * columns;
      for (std::int64_t j = 0; j < columns; ++j) {
        const double norms = row_norm[i] + column_norm[j], squared = norms - 2 * row[j];
        row[j] = squared > norms * 0x1p-40 ? squared : 0;
      }
    }
  });
}

std::int64_t count_not_finite(const at::Tensor& rows) {
  std::int64_t count = 0;
  for (std::int64_t i = 0; i < rows.size(0); i += kRows) {
    const at::Tensor block = rows.narrow(0, i, std::min(kRows, rows.size(0) - i));
    count += block.numel() - at::isfinite(block).sum().item<std::int64_t>();
  }
  return count;
}

at::Tensor squared_norms(const at::Tensor& rows) {
  return (rows * rows).sum(1);
}

}  // namespace

void check_features(const at::Tensor& a, const at::Tensor& b, std::int64_t least, std::string_view measure) {
  for (const at::Tensor& set : {a, b}) {
    if (set.dim() != 2 || set.scalar_type() != at::kFloat || !set.device().is_cpu() || set.size(1) < 1 ||
        set.size(1) != a.size(-1))
      throw Error(ExitCode::internal,
                  fmt::format("{}: needs two sets of fp32 features [rows, F] on the CPU, not [{}] and [{}]",
                              measure, fmt::join(a.sizes(), ", "), fmt::join(b.sizes(), ", ")));
    if (set.size(0) < least)
      throw Error(
          ExitCode::usage,
          fmt::format("{}: at least {} images are needed in each set, and the sets have {} and {}; use "
                      "more images",
                      measure, least, a.size(0), b.size(0)));
    if (const std::int64_t bad = count_not_finite(set); bad > 0)
      throw Error(
          ExitCode::numerics,
          fmt::format("{}: {} of the {} features of {} images are infinite or not a number; check the "
                      "network that computes the features",
                      measure, bad, set.numel(), set.size(0)));
  }
}

void for_distance_blocks(const at::Tensor& a, const at::Tensor& b,
                         const std::function<void(const DistanceBlock&)>& use) {
  for (std::int64_t i = 0; i < a.size(0); i += kRows) {
    const at::Tensor rows = a.narrow(0, i, std::min(kRows, a.size(0) - i)).to(at::kDouble);
    const at::Tensor row_norms = squared_norms(rows);
    for (std::int64_t j = 0; j < b.size(0); j += kColumns) {
      const at::Tensor columns = b.narrow(0, j, std::min(kColumns, b.size(0) - j)).to(at::kDouble);
      at::Tensor distances = at::mm(rows, columns.t());
      make_distances(distances, row_norms, squared_norms(columns));
      use({i, rows.size(0), j, columns.size(0), distances.const_data_ptr<double>()});
    }
  }
}

}  // namespace ebb::evaluate
