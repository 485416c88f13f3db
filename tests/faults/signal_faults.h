// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "faults/fault_round.h"

namespace ebb::test {

// Signals to the launcher, to mpirun or to a rank, and an output that nobody reads any more.
std::vector<FaultKind> signal_faults();

}  // namespace ebb::test
