// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <string>
#include <vector>

#include "step/step_control.h"

namespace ebb::step {

// Returns PhaseReport::overflowed_by of a run in which the gradient of this parameter is not finite although
// all terms are. It repeats the run for each part, unless there is only one. Collective.
std::vector<std::string> trace_overflow(const DecisionInput& input, std::size_t parameter);

// Names what was not finite: "the term r1 and the gradient of head.weight", "the gradient of the term r1 with
// respect to head.weight".
std::string overflowed_values(const PhaseReport& run);

}  // namespace ebb::step
