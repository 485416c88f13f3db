// SPDX-License-Identifier: Apache-2.0
#include "memory/available_memory.h"

#include <gtest/gtest.h>

#include <string>

#include "support/folder_test.h"

namespace ebb::memory {
namespace {

class AvailableMemoryTest : public test::FolderTest {
 protected:
  [[nodiscard]] AvailableMemory measure(const std::string& available, const std::string& limit) const {
    put("self/status",
        "Name:\tebb\nVmRSS:\t 900 kB\nRssAnon:\t 100 kB\nRssFile:\t 600 kB\nRssShmem:\t 200 kB\n");
    put("meminfo", "MemTotal: 5000 kB\n" + available + "Cached: 7 kB\n");
    put("self/cgroup", "0::/job\n");
    put("groups/job/memory.current", "1\n");
    put("groups/job/memory.max", limit + "\n");
    return measure_available_memory(2, folder_, folder_ / "groups");
  }
};

TEST_F(AvailableMemoryTest, IsTheFreeMemoryAndWhatTheProcessesHoldWithoutALimit) {
  const AvailableMemory found = measure("MemAvailable: 3000 kB\nSwapFree: 50 kB\n", "max");
  EXPECT_EQ(found.bytes, (3000 + 50 + 2 * 300) * 1024);
  EXPECT_EQ(found.limit, "free memory");
}

TEST_F(AvailableMemoryTest, PagesOfFilesAreApartFromThoseOfTheProcess) {
  (void)measure("", "max");
  const ProcessMemory process = measure_process_memory(folder_);
  EXPECT_EQ(process.anonymous, 300 * 1024);
  EXPECT_EQ(process.file, 600 * 1024);
}

TEST_F(AvailableMemoryTest, IsTheLimitIfThatIsSmaller) {
  const AvailableMemory found = measure("MemAvailable: 3000 kB\n", "1048576");
  EXPECT_EQ(found.bytes, 1048576);
  EXPECT_EQ(found.limit, "the limit of 1.0 MiB of the control group");
}

TEST_F(AvailableMemoryTest, ALimitAboveTheFreeMemoryDoesNotMatter) {
  EXPECT_EQ(measure("MemAvailable: 3000 kB\n", "1073741824").limit, "free memory");
}

TEST_F(AvailableMemoryTest, IsUnknownWhereTheKernelDoesNotTell) {
  EXPECT_EQ(measure("", "max").bytes, -1);
}

}  // namespace
}  // namespace ebb::memory
