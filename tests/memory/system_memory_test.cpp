// SPDX-License-Identifier: Apache-2.0
#include "memory/system_memory.h"

#include <gtest/gtest.h>

#include <cstring>

#include "memory/buffer.h"
#include "memory/installed_ledger.h"

namespace ebb::memory {
namespace {

TEST(SystemMemory, TheResidentSetGrowsWithPagesThatAreWritten) {
  Ledger& ledger = the_test_ledger();
  const SystemMemory before = measure_system_memory(ledger);
  constexpr std::size_t kBytes = 64 << 20;
  const Buffer buffer(kBytes, Class::workspace, "pages");
  std::memset(buffer.data(), 1, kBytes);
  const SystemMemory after = measure_system_memory(ledger);
  ASSERT_GT(before.resident, 0);
  // The kernel counts pages in batches on each core; the error is far below a quarter.
  EXPECT_GT(after.resident - before.resident, static_cast<std::int64_t>(kBytes - kBytes / 4));
  EXPECT_GE(after.peak_resident, after.resident - static_cast<std::int64_t>(kBytes / 4));
}

TEST(SystemMemory, OutsideIsTheResidentSetLessTheLedger) {
  Ledger ledger;
  ledger.record(&ledger, 1000, Ledger::Location::host, Class::data, "slot");
  const SystemMemory outside = measure_system_memory(ledger);
  EXPECT_EQ(outside.outside_host, outside.resident - 1000);
}

TEST(SystemMemory, HasNoFiguresOfADeviceOnTheCpu) {
  const SystemMemory outside = measure_system_memory(the_test_ledger());
  EXPECT_EQ(outside.device_total, -1);
  EXPECT_EQ(outside.device_used, -1);
  EXPECT_EQ(outside.largest_free_block, -1);
}

}  // namespace
}  // namespace ebb::memory
