// SPDX-License-Identifier: Apache-2.0
// Every rank runs all tests: started by mpirun with 1, 2 and 4 ranks.
#include <gtest/gtest.h>

#include "memory/cpu_allocator.h"
#include "parallel/test_world.h"

namespace ebb::parallel {

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

}  // namespace ebb::parallel

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  ebb::parallel::the_ledger = new ebb::memory::Ledger;
  ebb::memory::install(*ebb::parallel::the_ledger);
  ebb::comm::World world(argc, argv);
  ebb::parallel::the_world = &world;
  return RUN_ALL_TESTS();
}
