// SPDX-License-Identifier: Apache-2.0
// Started by mpirun: two ranks of one node.
#include "telemetry/board.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "base/digest.h"
#include "comm/world.h"

namespace ebb::telemetry {

comm::World* world = nullptr;  // main's

namespace {

namespace fs = std::filesystem;

fs::path file_of(const std::string& run) {
  return "/dev/shm/ebb-" + std::to_string(::geteuid()) + "-" + digest_hex(fs::absolute(run).string());
}

TEST(Board, IsOneForTheRanksOfANodeAndHasNoName) {
  ASSERT_EQ(world->size(), 2);
  const std::string run = "runs/board-test";
  NodeBoard board(*world, run, 30);
  board.mine().rank = 10 + world->rank();
  board.mine().live[1][2] = 0.5 + world->rank();
  board.mine().present = true;
  (void)world->max_of_all(0, 30);
  EXPECT_EQ(board.size(), 2);
  for (int local = 0; local < 2; ++local) {
    EXPECT_TRUE(board.of(local).present);
    EXPECT_EQ(board.of(local).rank, 10 + local);
    EXPECT_EQ(board.of(local).live[1][2], 0.5 + local);
  }
  EXPECT_FALSE(fs::exists(file_of(run))) << "a killed rank would leave it";
  (void)world->max_of_all(0, 30);
}

TEST(Board, OneThatAKilledRunLeftIsReplaced) {
  const std::string run = "runs/board-left";
  if (world->rank() == 0) std::ofstream(file_of(run)) << std::string(100'000, 'x');
  NodeBoard board(*world, run, 30);
  for (int local = 0; local < 2; ++local)
    EXPECT_FALSE(board.of(local).present) << "numbers of an earlier run";
  EXPECT_EQ(board.mine().resident, 0);
  (void)world->max_of_all(0, 30);
  EXPECT_FALSE(fs::exists(file_of(run)));
}

}  // namespace
}  // namespace ebb::telemetry

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  ebb::comm::World world(argc, argv);
  ebb::telemetry::world = &world;
  return RUN_ALL_TESTS();
}
