// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "faults/fault_round.h"

namespace ebb::test {

// A network between two hosts (tests/launch/two_hosts) that fails for a moment. Each host has one rank.
std::vector<FaultKind> network_faults();

}  // namespace ebb::test
