// SPDX-License-Identifier: Apache-2.0
#include "evaluate/precision_recall.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <array>
#include <limits>
#include <vector>

#include "evaluate/pairwise.h"
#include "memory/tag.h"

namespace ebb::evaluate {
namespace {

constexpr std::size_t kNeighbours = 3;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

using Nearest = std::array<double, kNeighbours>;  // squared distances, upwards

void insert(Nearest& nearest, double squared) {
  for (double& kept : nearest)
    if (squared < kept) std::swap(kept, squared);
}

// Squared distance of each row to its third nearest other row.
std::vector<double> squared_radii(const at::Tensor& rows) {
  std::vector<Nearest> nearest(static_cast<std::size_t>(rows.size(0)),
                               Nearest{kInfinity, kInfinity, kInfinity});
  for_distance_blocks(rows, rows, [&](const DistanceBlock& block) {
    at::parallel_for(0, block.rows, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        Nearest& own = nearest[static_cast<std::size_t>(block.first_row + i)];
        const std::int64_t self = block.first_row + i - block.first_column;
        const double* const squared = block.row(i);
        for (std::int64_t j = 0; j < block.columns; ++j)
          if (squared[j] < own.back() && j != self) insert(own, squared[j]);
      }
    });
  });
  std::vector<double> radii;
  for (const Nearest& own : nearest) radii.push_back(own.back());
  return radii;
}

double share(const std::vector<char>& inside) {
  return static_cast<double>(std::ranges::count(inside, char{1})) / static_cast<double>(inside.size());
}

}  // namespace

PrecisionRecall precision_recall(const at::Tensor& real, const at::Tensor& generated) {
  check_features(real, generated, kNeighbours + 1, "precision and recall");
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "precision and recall");
  const std::vector<double> real_radii = squared_radii(real), generated_radii = squared_radii(generated);
  std::vector<char> real_inside(real_radii.size()), generated_inside(generated_radii.size());
  for_distance_blocks(real, generated, [&](const DistanceBlock& block) {
    const double* const row_radii = real_radii.data() + block.first_row;
    const double* const column_radii = generated_radii.data() + block.first_column;
    char* const row_inside = real_inside.data() + block.first_row;
    char* const column_inside = generated_inside.data() + block.first_column;
    // Two loops: each thread writes the flags of its own rows, or of its own columns.
    at::parallel_for(0, block.rows, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        bool inside = false;
        for (std::int64_t j = 0; j < block.columns; ++j) inside |= block.row(i)[j] <= column_radii[j];
        row_inside[i] |= static_cast<char>(inside);
      }
    });
    at::parallel_for(0, block.columns, 256, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = 0; i < block.rows; ++i)
        for (std::int64_t j = begin; j < end; ++j)
          column_inside[j] |= static_cast<char>(block.row(i)[j] <= row_radii[i]);
    });
  });
  return {share(generated_inside), share(real_inside)};
}

}  // namespace ebb::evaluate
