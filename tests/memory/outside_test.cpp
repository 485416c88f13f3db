// SPDX-License-Identifier: Apache-2.0
#include "memory/outside.h"

#include <gtest/gtest.h>

#include <cstring>

#include "memory/buffer.h"
#include "memory/installed_ledger.h"

namespace ebb::memory {
namespace {

TEST(Outside, TheResidentSetGrowsWithPagesThatAreWritten) {
  Ledger& ledger = the_test_ledger();
  const Outside before = measure_outside(ledger);
  constexpr std::size_t kBytes = 64 << 20;
  const Buffer buffer(kBytes, Class::workspace, "pages");
  std::memset(buffer.data(), 1, kBytes);
  const Outside after = measure_outside(ledger);
  ASSERT_GT(before.resident, 0);
  // The kernel counts pages in batches on each core; the error is far below a quarter.
  EXPECT_GT(after.resident - before.resident, static_cast<std::int64_t>(kBytes - kBytes / 4));
  EXPECT_GE(after.peak_resident, after.resident - static_cast<std::int64_t>(kBytes / 4));
}

TEST(Outside, IsTheResidentSetLessWhatTheLedgerHolds) {
  Ledger ledger;
  ledger.record(&ledger, 1000, Ledger::Location::host, Class::data, "slot");
  const Outside outside = measure_outside(ledger);
  EXPECT_EQ(outside.outside_host, outside.resident - 1000);
}

TEST(Outside, HasNoFiguresOfADeviceOnTheCpu) {
  const Outside outside = measure_outside(the_test_ledger());
  EXPECT_EQ(outside.device_total, -1);
  EXPECT_EQ(outside.device_used, -1);
  EXPECT_EQ(outside.largest_free_block, -1);
}

}  // namespace
}  // namespace ebb::memory
