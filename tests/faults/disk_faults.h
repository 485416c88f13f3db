// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "faults/fault_round.h"

namespace ebb::test {

// Storage that fails for a moment: full, read-only, or one call of a rank. Root makes the mounts in a mount
// namespace of this process, which is left with it.
std::vector<FaultKind> disk_faults();

}  // namespace ebb::test
