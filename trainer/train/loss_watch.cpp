// SPDX-License-Identifier: Apache-2.0
#include "train/loss_watch.h"

#include <fmt/format.h>

#include <algorithm>
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
  lowest_ = steps_ == kEarliest ? average_ : std::min(lowest_, average_);
  const double first = first_sum_ / static_cast<double>(kFirstSteps), size = std::abs(first);
  const bool has_progress = first - lowest_ > kProgress * size;
  const double limit =
      has_progress ? std::max((first + lowest_) / 2, lowest_ + kGrowth * size) : first + kGrowth * size;
  const bool was_above = above_;
  above_ = average_ > limit;
  if (!above_ || was_above) return "";
  return fmt::format(
      "the loss grows: its average over the last steps is {:.4g}. The lowest was {:.4g}, and that of the "
      "first {} steps {:.4g}",
      average_, lowest_, kFirstSteps, first);
}

nlohmann::json LossWatch::state() const {
  return {{"steps", steps_},
          {"first_sum", first_sum_},
          {"average", average_},
          {"lowest", lowest_},
          {"above", above_}};
}

void LossWatch::restore(const nlohmann::json& values) {
  *this = {};
  if (values.empty()) return;
  steps_ = whole_number(values.at("steps"));
  first_sum_ = values.at("first_sum").get<double>();
  average_ = values.at("average").get<double>();
  lowest_ = values.value("lowest", average_);
  above_ = values.at("above").get<bool>();
}

}  // namespace ebb::train
