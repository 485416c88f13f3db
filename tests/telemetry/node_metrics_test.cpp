// SPDX-License-Identifier: Apache-2.0
// Started by mpirun: two ranks of one node.
#include "telemetry/node_metrics.h"

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

TEST(NodeMetrics, IsSharedByTheRanksOfANodeAndItsFileIsRemoved) {
  ASSERT_EQ(world->size(), 2);
  const std::string run = "runs/node-metrics-test";
  NodeMetrics node(*world, run, 30);
  node.mine().rank = 10 + world->rank();
  node.mine().live[1][2] = 0.5 + world->rank();
  node.mine().present = true;
  (void)world->max_of_all(0, 30);
  EXPECT_EQ(node.size(), 2);
  for (int local = 0; local < 2; ++local) {
    EXPECT_TRUE(node.of(local).present);
    EXPECT_EQ(node.of(local).rank, 10 + local);
    EXPECT_EQ(node.of(local).live[1][2], 0.5 + local);
  }
  EXPECT_FALSE(fs::exists(file_of(run))) << "a killed rank would leave it";
  (void)world->max_of_all(0, 30);
}

TEST(NodeMetrics, AFileThatAKilledRunLeftIsReplaced) {
  const std::string run = "runs/node-metrics-left";
  if (world->rank() == 0) std::ofstream(file_of(run)) << std::string(100'000, 'x');
  NodeMetrics node(*world, run, 30);
  for (int local = 0; local < 2; ++local) EXPECT_FALSE(node.of(local).present) << "numbers of an earlier run";
  EXPECT_EQ(node.mine().resident, 0);
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
