// SPDX-License-Identifier: Apache-2.0
#include "core/schedule.h"

#include <algorithm>
#include <cmath>

namespace ebb::core {

void Schedule::describe(config::Section& s) {
  s.choice("curve", curve,
           {{"constant", Curve::constant}, {"linear", Curve::linear}, {"cosine", Curve::cosine}})
      .doc("Course from the first value to the final one; constant: the first value.");
  s.integer("samples", samples)
      .at_least(0)
      .unit("samples")
      .doc("Samples of training until the final value, steps times data.batch; 0: it is reached at once.");
}

double Schedule::value(double first, double final, std::int64_t done) const {
  if (curve == Curve::constant) return first;
  const double part =
      samples <= 0 ? 1.0 : std::min(1.0, static_cast<double>(done) / static_cast<double>(samples));
  constexpr double kPi = 3.14159265358979323846;
  const double rest = curve == Curve::linear ? 1.0 - part : 0.5 * (1.0 + std::cos(kPi * part));
  return final + (first - final) * rest;
}

}  // namespace ebb::core
