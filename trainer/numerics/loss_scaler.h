// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "numerics/config.h"

namespace ebb::numerics {

// Dynamic loss scale with hysteresis. It decides by one flag that all ranks agree on, so its state is the
// same on every rank. Runs in fp32 and bf16 use fixed(): its scale is always 1, and it also skips steps with
// an overflow.
class LossScaler {
 public:
  // `name`: of the scale, for messages.
  explicit LossScaler(const LossScaleConfig& config, std::string name = "loss scale");
  static LossScaler fixed();
  [[nodiscard]] double scale() const { return scale_; }
  // Returns whether to apply the step. An overflow skips it and may halve the scale. Error(numerics) if the
  // scale would fall below the floor, or after 100 overflows in a row with a fixed scale. The message has the
  // count.
  bool update(bool overflowed);
  [[nodiscard]] nlohmann::json state() const;
  void restore(const nlohmann::json& values);

 private:
  LossScaleConfig config_;
  std::string name_;
  double scale_;
  std::int64_t steps_without_overflow_ = 0, overflows_in_a_row_ = 0;
  std::int64_t overflows_without_halving_ = 0;  // since the last growth
  bool fixed_ = false;
};

}  // namespace ebb::numerics
