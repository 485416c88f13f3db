// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "comm/world.h"
#include "memory/ledger.h"

namespace ebb::test {

// Those of main(), for all tests of the program.
comm::World& test_world();
memory::Ledger& test_ledger();

}  // namespace ebb::test
