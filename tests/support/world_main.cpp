// SPDX-License-Identifier: Apache-2.0
// Every rank runs all tests: started by mpirun.
#include <gtest/gtest.h>

#include "memory/cpu_allocator.h"
#include "support/test_world.h"

namespace ebb::test {

namespace {
comm::World* the_world = nullptr;
memory::Ledger* the_ledger = nullptr;
}  // namespace

comm::World& test_world() {
  return *the_world;
}

memory::Ledger& test_ledger() {
  return *the_ledger;
}

}  // namespace ebb::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  ebb::test::the_ledger = new ebb::memory::Ledger;
  ebb::memory::install(*ebb::test::the_ledger);
  ebb::comm::World world(argc, argv);
  ebb::test::the_world = &world;
  return RUN_ALL_TESTS();
}
