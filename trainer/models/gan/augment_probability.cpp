// SPDX-License-Identifier: Apache-2.0
#include "models/gan/augment_probability.h"

#include <algorithm>

namespace ebb::models {

AdaptiveProbability::AdaptiveProbability(const GanAugmentConfig& config)
    : value_(config.probability),
      target_(config.target),
      per_sample_(1.0 / static_cast<double>(config.adjust_samples)) {}

void AdaptiveProbability::update(double sign_of_real, std::int64_t samples) {
  const double direction = sign_of_real > target_ ? 1 : sign_of_real < target_ ? -1 : 0;
  value_ = std::clamp(value_ + direction * static_cast<double>(samples) * per_sample_, 0.0, kLargest);
}

}  // namespace ebb::models
