#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "config/section.h"

namespace ebb::numerics {

struct LossScaleConfig {
  double initial = 65536;
  double floor = 1.0 / 16;  // below it the run has diverged: code 6
  double ceiling = 16777216;
  std::int64_t growth_interval = 1000;  // accepted steps in a row before the scale doubles
  std::int64_t hysteresis = 1;  // overflows since the scale last grew that are forgiven before it halves
  void describe(config::Section& s);
  [[nodiscard]] std::string wrong() const;  // what is wrong with the values together; empty: nothing
};

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
