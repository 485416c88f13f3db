// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <vector>

#include "core/phase.h"

namespace ebb::step {

// Checks that a step can run the phases of one model. `declared`: the names of the family's trainees. The
// phases of a family with one trainee may omit its name. Error(internal) with the names of the phase and of
// its trainee or unit:
//  - a phase runs less than once in a step,
//  - a phase trains a trainee that is not declared, or no phase trains a declared one,
//  - a phase lists a unit twice,
//  - two phases of one trainee list different units,
//  - two trainees hold the same unit.
void check_phases(const std::vector<core::Phase*>& phases, const std::vector<std::string>& declared);

}  // namespace ebb::step
