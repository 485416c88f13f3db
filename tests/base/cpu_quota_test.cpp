// SPDX-License-Identifier: Apache-2.0
#include "base/cpu_quota.h"

#include <gtest/gtest.h>

#include <string>

#include "support/folder_test.h"

namespace ebb {
namespace {

class CpuQuotaTest : public test::FolderTest {
 protected:
  [[nodiscard]] CpuQuota read(const std::string& self) const {
    put("self", self);
    return read_cpu_quota(folder_ / "self", folder_ / "mount");
  }
};

TEST_F(CpuQuotaTest, ReadsVersion2) {
  put("mount/job/cpu.max", "150000 100000\n");
  const CpuQuota quota = read("0::/job\n");
  EXPECT_EQ(quota.cores, 1.5);
  EXPECT_EQ(quota.group, "/job");
}

TEST_F(CpuQuotaTest, TakesTheSmallestOnTheWayToTheRoot) {
  put("mount/pod/job/cpu.max", "max 100000\n");
  put("mount/pod/cpu.max", "100000 50000\n");
  put("mount/cpu.max", "300000 100000\n");
  const CpuQuota quota = read("0::/pod/job\n");
  EXPECT_EQ(quota.cores, 2);
  EXPECT_EQ(quota.group, "/pod");
}

// Version 2 gives a folder the file only if its parent enables the controller.
TEST_F(CpuQuotaTest, FindsTheLimitOfAParentAboveFoldersWithoutOne) {
  put("mount/user/cpu.max", "200000 100000\n");
  put("mount/user/session/one/cgroup.procs", "");
  put("mount/user/session/two/cgroup.procs", "");
  const CpuQuota one = read("0::/user/session/one\n"), two = read("0::/user/session/two\n");
  EXPECT_EQ(one.cores, 2);
  EXPECT_EQ(one.group, "/user");
  EXPECT_EQ(two.group, one.group);  // so the ranks in both divide the limit
}

TEST_F(CpuQuotaTest, WithoutALimitItIs0) {
  put("mount/job/cpu.max", "max 100000\n");
  EXPECT_EQ(read("0::/job\n").cores, 0);
  EXPECT_EQ(read("").cores, 0);
}

// In a container the path is the host's, and the group is mounted at the root.
TEST_F(CpuQuotaTest, FindsTheGroupAtTheRootOfAContainer) {
  put("mount/cpu.max", "50000 100000\n");
  EXPECT_EQ(read("0::/kubepods/pod1/abc\n").cores, 0.5);
}

TEST_F(CpuQuotaTest, ReadsVersion1BesideAnEmptyVersion2) {
  put("mount/cpu/job/cpu.cfs_quota_us", "400000\n");
  put("mount/cpu/job/cpu.cfs_period_us", "100000\n");
  put("mount/cpu/cpu.cfs_quota_us", "-1\n");
  put("mount/cpu/cpu.cfs_period_us", "100000\n");
  const CpuQuota quota = read("7:cpuset:/other\n4:cpu,cpuacct:/job\n0::/\n");
  EXPECT_EQ(quota.cores, 4);
  EXPECT_EQ(quota.group, "/job");
}

}  // namespace
}  // namespace ebb
