// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <string>

#include "checkpoint/test_run.h"

namespace ebb::checkpoint {
namespace {

// Started by ctest with one number of ranks to save and then with another to load (see CMakeLists.txt).
std::filesystem::path shared_folder() {
  const char* folder = std::getenv("EBB_TEST_FOLDER");
  return folder == nullptr ? "" : folder;
}

TEST(Reshard, Saves) {
  if (shared_folder().empty())
    GTEST_SKIP() << "EBB_TEST_FOLDER is not set: ctest runs it as checkpoint_reshard_N_to_M_save";
  if (test_world().rank() == 0) std::filesystem::remove_all(shared_folder());
  (void)test_world().gather_to_all("", kTimeout_s);
  FakeRun saved(7);
  Store store(shared_folder(), CheckpointConfig(), test_world(), kTimeout_s);
  store.save(100, saved.parts(), configuration_with("0.1"));
  EXPECT_EQ(read_manifest(store.newest(nullptr)->folder).world, test_world().size());
}

TEST(Reshard, Loads) {
  if (shared_folder().empty())
    GTEST_SKIP() << "EBB_TEST_FOLDER is not set: ctest runs it as checkpoint_reshard_N_to_M_load";
  FakeRun expected(7), loaded(8);
  Store store(shared_folder(), CheckpointConfig(), test_world(), kTimeout_s);
  const auto found = store.newest(nullptr);
  ASSERT_TRUE(found);
  const char* writers = std::getenv("EBB_TEST_WRITERS");
  EXPECT_EQ(std::to_string(read_manifest(found->folder).world), writers == nullptr ? "" : writers);
  EXPECT_EQ(store.load(*found, loaded.parts()), 100);
  EXPECT_TRUE(same_bits(expected, loaded));
  EXPECT_EQ(loaded.optimizer.restored, expected.optimizer.held.values);
}

}  // namespace
}  // namespace ebb::checkpoint
