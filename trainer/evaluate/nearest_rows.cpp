// SPDX-License-Identifier: Apache-2.0
#include "evaluate/nearest_rows.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "evaluate/pairwise.h"
#include "memory/tag.h"

namespace ebb::evaluate {

NearestRows::NearestRows(at::Tensor queries, std::int64_t count)
    : queries_(std::move(queries)), count_(count), nearest_(static_cast<std::size_t>(queries_.size(0))) {}

void NearestRows::add(const at::Tensor& rows) {
  check_features(queries_, rows, 1, "the search for nearest rows");
  const at::NoGradGuard no_grad;
  const memory::Tag tag(memory::Class::workspace, "nearest rows");
  for_distance_blocks(queries_, rows, [&](const DistanceBlock& block) {
    at::parallel_for(0, block.rows, 16, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        std::vector<Neighbour>& best = nearest_[static_cast<std::size_t>(block.first_row + i)];
        for (std::int64_t j = 0; j < block.columns; ++j) {
          const double squared = block.row(i)[j];
          if (std::ssize(best) == count_ && squared >= best.back().first) continue;
          const auto place = std::ranges::upper_bound(best, squared, {}, &Neighbour::first);
          best.insert(place, {squared, seen_ + block.first_column + j});
          if (std::ssize(best) > count_) best.pop_back();
        }
      }
    });
  });
  seen_ += rows.size(0);
}

at::Tensor NearestRows::indices() const {
  const at::Tensor all =
      at::empty({static_cast<std::int64_t>(nearest_.size()), std::min(count_, seen_)}, at::kLong);
  std::int64_t* next = all.mutable_data_ptr<std::int64_t>();
  for (const std::vector<Neighbour>& best : nearest_)
    for (const Neighbour& one : best) *next++ = one.second;
  return all;
}

}  // namespace ebb::evaluate
