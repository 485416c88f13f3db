// SPDX-License-Identifier: Apache-2.0
// The World of a process without a launcher.
#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <mpi.h>

#include "comm/run_on_all_ranks.h"
#include "comm/world.h"

namespace ebb::comm {
namespace {

TEST(WorldWithoutALauncher, IsOneRankAndDoesNotInitialiseMpi) {
  const World world(0, nullptr);
  EXPECT_EQ(world.rank(), 0);
  EXPECT_EQ(world.size(), 1);
  EXPECT_EQ(world.local_rank(), 0);
  EXPECT_EQ(world.local_size(), 1);
  int initialised = 1;
  MPI_Initialized(&initialised);
  EXPECT_EQ(initialised, 0);
}

TEST(WorldWithoutALauncher, AgreesWithItself) {
  const World world(0, nullptr);
  EXPECT_EQ(world.gather_to_all("text", 1), std::vector<std::string>{"text"});
  EXPECT_EQ(world.max_of_all(-3, 1), -3);
  EXPECT_THROW(run_on_all_ranks(world, 1, [] { throw Error(ExitCode::data, "mine"); }), Error);
}

TEST(WorldWithoutALauncher, EveryHostBackendIsSingle) {
  const World world(0, nullptr);
  for (const Backend backend : {Backend::automatic, Backend::single, Backend::mpi})
    EXPECT_EQ(make_communicator(world, backend, 1, at::kCPU)->backend(), "single");
}

TEST(WorldWithoutALauncher, EndAllExitsWithTheCode) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  EXPECT_EXIT(World(0, nullptr).end_all(ExitCode::numerics), testing::ExitedWithCode(6), "");
}

}  // namespace
}  // namespace ebb::comm
