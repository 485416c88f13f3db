#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>

#include "numerics/config.h"

namespace ebb::numerics {

// Dynamic loss scale with hysteresis. Decides from one flag that all ranks agree on, so that its state is the
// same everywhere. fp32 and bf16 runs use a fixed scale of 1 (`fixed()`), whose accept(true) still refuses
// the step.
class LossScaler {
 public:
  explicit LossScaler(const LossScaleConfig& config);
  static LossScaler fixed();
  [[nodiscard]] double scale() const { return scale_; }
  // True when the step may be taken. An overflow skips it and may halve the scale; under the floor:
  // Error(numerics) with the scale, the floor and the number of overflows in a row.
  bool accept(bool overflowed);
  [[nodiscard]] nlohmann::json state() const;
  void restore(const nlohmann::json& values);

 private:
  LossScaleConfig config_;
  double scale_;
  std::int64_t accepted_ = 0, forgiven_ = 0, overflows_in_a_row_ = 0;
  bool fixed_ = false;
};

}  // namespace ebb::numerics
