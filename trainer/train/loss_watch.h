// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

namespace ebb::train {

// Finds a finite loss that grows: such a run has diverged. It follows a moving average of half-life kHalfLife
// steps. The limit is kGrowth above the mean of the first kFirstSteps steps. Once the average has fallen by
// kProgress of that mean, the limit is the middle of that mean and the lowest average, but at
// least the lowest plus kGrowth of that mean.
// For losses that training minimises: those of a model with one phase. The losses are the same on every rank,
// and so is the result.
class LossWatch {
 public:
  static constexpr std::int64_t kFirstSteps = 10, kHalfLife = 20, kEarliest = 50;
  // Steps before the crossing in which the loss may already have grown: the average follows it late.
  static constexpr std::int64_t kDelay = 5 * kHalfLife;
  static constexpr double kGrowth = 0.2, kProgress = 0.1;  // of the absolute value of the first mean

  // Takes the finite loss of one step. Returns a sentence with the figures at the step in which the average
  // crosses the limit; else nothing.
  std::string observe(double loss);

  [[nodiscard]] nlohmann::json state() const;
  void restore(const nlohmann::json& values);  // an empty object: nothing has been observed

 private:
  std::int64_t steps_ = 0;
  double first_sum_ = 0, average_ = 0;
  double lowest_ = 0;  // the least average from step kEarliest on
  bool above_ = false;
};

}  // namespace ebb::train
