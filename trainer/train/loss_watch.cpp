// SPDX-License-Identifier: Apache-2.0
#include "train/loss_watch.h"

#include <fmt/format.h>

#include <cmath>

#include "base/json.h"

namespace ebb::train {

std::string LossWatch::observe(double loss) {
  if (steps_ < kFirstSteps) {
    first_sum_ += loss;
    average_ = first_sum_ / static_cast<double>(steps_ + 1);
  } else {
    average_ += (loss - average_) * (1 - std::exp2(-1.0 / static_cast<double>(kHalfLife)));
  }
  if (++steps_ < kEarliest) return "";
  const double first = first_sum_ / static_cast<double>(kFirstSteps);
  const bool was_above = above_;
  above_ = average_ > first + kGrowth * std::abs(first);
  if (!above_ || was_above) return "";
  return fmt::format(
      "the loss grows: its average over the last steps is {:.4g}, and that of the first {} "
      "steps was {:.4g}",
      average_, kFirstSteps, first);
}

nlohmann::json LossWatch::state() const {
  return {{"steps", steps_}, {"first_sum", first_sum_}, {"average", average_}, {"above", above_}};
}

void LossWatch::restore(const nlohmann::json& values) {
  *this = {};
  if (values.empty()) return;
  steps_ = whole_number(values.at("steps"));
  first_sum_ = values.at("first_sum").get<double>();
  average_ = values.at("average").get<double>();
  above_ = values.at("above").get<bool>();
}

}  // namespace ebb::train
