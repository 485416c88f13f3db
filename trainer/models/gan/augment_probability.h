// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>

#include "models/gan/config.h"

namespace ebb::models {

// The probability of augment() that follows the discriminator (Karras et al., 2020, section 3). A mean sign
// of the logits of real samples above the target shows that the discriminator overfits. The probability then
// grows, and otherwise it falls, always by the same amount per sample. It stays in [0, kLargest]. It depends
// on the updates alone, so it is the same on all ranks if they pass the same values.
class AdaptiveProbability {
 public:
  // Above it the generator would begin to make augmented images.
  static constexpr double kLargest = GanAugmentConfig::kLargestAdaptive;

  // config.target is above 0. Begins at config.probability, which is at most kLargest.
  explicit AdaptiveProbability(const GanAugmentConfig& config);
  [[nodiscard]] double value() const { return value_; }
  // `sign_of_real`: mean over the samples of one update, in [-1, 1]. `samples`: their number, over all ranks.
  // If the sign equals the target, or is NaN, the probability does not change.
  void update(double sign_of_real, std::int64_t samples);

  // {"probability": p}, which restores the same bits.
  [[nodiscard]] nlohmann::json state() const { return nlohmann::json::object({{"probability", value_}}); }
  void restore(const nlohmann::json& state) { value_ = state.at("probability").get<double>(); }

 private:
  double value_, target_;
  double per_sample_;  // change by one sample
};

}  // namespace ebb::models
