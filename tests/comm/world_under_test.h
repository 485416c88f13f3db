// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "comm/world.h"
#include "memory/ledger.h"

namespace ebb::comm {

// The World of the test program and the ledger whose stages it reports, set by main.
inline const World* world = nullptr;
inline memory::Ledger* ledger = nullptr;

}  // namespace ebb::comm
