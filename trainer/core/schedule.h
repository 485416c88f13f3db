// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "config/section.h"

namespace ebb::core {

enum class Curve { constant, linear, cosine };

// The course of a value over the samples of a run: from its first value to its final one, and constant after
// that. It is a function of the samples done alone, so a resumed run continues it exactly.
struct Schedule {
  Curve curve = Curve::constant;
  std::int64_t samples = 0;  // until the final value; 0: it is reached at once
  void describe(config::Section& s);
  // The value after `done` samples. A constant stays at `first`.
  [[nodiscard]] double value(double first, double final, std::int64_t done) const;
};

}  // namespace ebb::core
