// SPDX-License-Identifier: Apache-2.0
#include "memory/cgroup.h"

#include <gtest/gtest.h>

#include <string>

#include "support/folder_test.h"

namespace ebb::memory {
namespace {

class CgroupTest : public test::FolderTest {
 protected:
  [[nodiscard]] CgroupUse read(const std::string& self) const {
    put("self", self);
    return Cgroup(folder_ / "self", folder_ / "mount").read();
  }
};

TEST_F(CgroupTest, ReadsVersion2) {
  put("mount/job/memory.current", "4096\n");
  put("mount/job/memory.max", "1048576\n");
  const CgroupUse use = read("0::/job\n");
  EXPECT_EQ(use.used, 4096);
  EXPECT_EQ(use.limit, 1048576);
}

TEST_F(CgroupTest, TakesTheSmallestLimitOnTheWayToTheRoot) {
  put("mount/pod/job/memory.current", "1\n");
  put("mount/pod/job/memory.max", "max\n");
  put("mount/pod/memory.max", "5000\n");
  put("mount/memory.max", "9000\n");
  EXPECT_EQ(read("0::/pod/job\n").limit, 5000);
}

TEST_F(CgroupTest, NoLimitIsMinusOne) {
  put("mount/job/memory.current", "77\n");
  put("mount/job/memory.max", "max\n");
  const CgroupUse use = read("0::/job\n");
  EXPECT_EQ(use.used, 77);
  EXPECT_EQ(use.limit, -1);
}

// In a container the path is the host's, and the group is mounted at the root.
TEST_F(CgroupTest, FindsTheGroupAtTheRootOfAContainer) {
  put("mount/memory.current", "123\n");
  put("mount/memory.max", "456\n");
  const CgroupUse use = read("0::/kubepods/pod1/abc\n");
  EXPECT_EQ(use.used, 123);
  EXPECT_EQ(use.limit, 456);
}

TEST_F(CgroupTest, ReadsVersion1BesideAnEmptyVersion2) {
  put("mount/memory/job/memory.usage_in_bytes", "2048\n");
  put("mount/memory/job/memory.limit_in_bytes", "8192\n");
  put("mount/memory/memory.limit_in_bytes", "9223372036854771712\n");
  const CgroupUse use = read("5:cpu:/job\n4:memory:/job\n0::/\n");
  EXPECT_EQ(use.used, 2048);
  EXPECT_EQ(use.limit, 8192);
}

TEST_F(CgroupTest, Version1sLargestNumberIsNoLimit) {
  put("mount/memory/memory.usage_in_bytes", "2048\n");
  put("mount/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(read("4:memory:/\n").limit, -1);
}

TEST_F(CgroupTest, SeesLaterValues) {
  put("mount/job/memory.current", "1\n");
  put("self", "0::/job\n");
  const Cgroup group(folder_ / "self", folder_ / "mount");
  EXPECT_EQ(group.read().used, 1);
  put("mount/job/memory.current", "22\n");
  EXPECT_EQ(group.read().used, 22);
}

TEST_F(CgroupTest, WithoutAControllerNothingIsKnown) {
  const CgroupUse use = read("");
  EXPECT_EQ(use.used, -1);
  EXPECT_EQ(use.limit, -1);
}

}  // namespace
}  // namespace ebb::memory
