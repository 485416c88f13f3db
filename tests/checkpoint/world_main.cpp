// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "checkpoint/test_run.h"

namespace ebb::checkpoint {

namespace {
comm::World* the_world = nullptr;
}

comm::World& test_world() {
  return *the_world;
}

}  // namespace ebb::checkpoint

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ebb::comm::World world(argc, argv);
  ebb::checkpoint::the_world = &world;
  return RUN_ALL_TESTS();
}
