// SPDX-License-Identifier: Apache-2.0
#include "numerics/rope.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <vector>

namespace ebb::numerics {
namespace {

double scaled(double frequency, const RopeScaling& s) {
  if (s.method == RopeScaling::Method::none) return frequency;
  if (s.method == RopeScaling::Method::linear) return frequency / s.factor;
  const double turns = static_cast<double>(s.original) * frequency / (2 * std::numbers::pi);
  const double kept = std::clamp((turns - s.low) / (s.high - s.low), 0.0, 1.0);
  return kept * frequency + (1 - kept) * frequency / s.factor;
}

}  // namespace

at::Tensor rotate(const at::Tensor& x, const at::Tensor& rope) {
  const auto halves = x.to(at::kFloat).chunk(2, -1);
  const at::Tensor c = rope[0].unsqueeze(1), s = rope[1].unsqueeze(1);  // [T, 1, D / 2]
  return at::cat({halves[0] * c - halves[1] * s, halves[1] * c + halves[0] * s}, -1).to(x.scalar_type());
}

at::Tensor rope_table(std::int64_t positions, std::int64_t head_width, double theta,
                      const RopeScaling& scaling, std::int64_t first) {
  const std::int64_t pairs = head_width / 2;
  at::Tensor table = at::empty({2, positions, pairs}, at::kFloat);
  float* const cosines = table.data_ptr<float>();
  float* const sines = cosines + positions * pairs;
  for (std::int64_t i = 0; i < pairs; ++i) {
    const double frequency =
        scaled(std::pow(theta, -2.0 * static_cast<double>(i) / static_cast<double>(head_width)), scaling);
    for (std::int64_t t = 0; t < positions; ++t) {
      const double angle = static_cast<double>(first + t) * frequency;
      cosines[t * pairs + i] = static_cast<float>(std::cos(angle));
      sines[t * pairs + i] = static_cast<float>(std::sin(angle));
    }
  }
  return table;
}

}  // namespace ebb::numerics
