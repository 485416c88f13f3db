// SPDX-License-Identifier: Apache-2.0
#include "memory/host_room.h"

#include <gtest/gtest.h>

#include <string>

#include "support/folder_test.h"

namespace ebb::memory {
namespace {

class HostRoomTest : public test::FolderTest {
 protected:
  [[nodiscard]] HostRoom room(const std::string& available, const std::string& limit) const {
    put("self/status", "Name:\tebb\nVmRSS:\t 900 kB\nRssAnon:\t 100 kB\n");
    put("meminfo", "MemTotal: 5000 kB\n" + available + "Cached: 7 kB\n");
    put("self/cgroup", "0::/job\n");
    put("groups/job/memory.current", "1\n");
    put("groups/job/memory.max", limit + "\n");
    return measure_host_room(2, folder_, folder_ / "groups");
  }
};

TEST_F(HostRoomTest, IsTheFreeMemoryWithoutALimit) {
  const HostRoom found = room("MemAvailable: 3000 kB\n", "max");
  EXPECT_EQ(found.bytes, 3000 * 1024);
  EXPECT_EQ(found.limit, "free memory");
  EXPECT_EQ(found.own, 100 * 1024);
}

TEST_F(HostRoomTest, ALimitLeavesWhatTheProcessesDoNotHoldYet) {
  const HostRoom found = room("MemAvailable: 3000 kB\n", "1048576");
  EXPECT_EQ(found.bytes, 1048576 - 2 * 100 * 1024);
  EXPECT_EQ(found.limit, "the limit of 1.0 MiB of the control group");
}

TEST_F(HostRoomTest, ALimitAboveTheFreeMemoryDoesNotMatter) {
  EXPECT_EQ(room("MemAvailable: 3000 kB\n", "1073741824").limit, "free memory");
}

TEST_F(HostRoomTest, IsUnknownWhereTheKernelDoesNotTell) {
  EXPECT_EQ(room("", "max").bytes, -1);
}

}  // namespace
}  // namespace ebb::memory
