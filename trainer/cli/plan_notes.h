// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "cli/plan_text.h"

// What `ebb plan` adds to its figures for some runs. Empty texts: nothing.
namespace ebb::cli {

// For kernels of another instruction set than those of this machine.
std::string isa_note(const PlanFigures& figures);
// Which parts of evaluate.features are in the figures: what a module computes is known to its code alone.
std::string features_note(const PlanFigures& figures);
// The same, of one file.
nlohmann::ordered_json features_json(const PlanFigures::Features& features);

}  // namespace ebb::cli
