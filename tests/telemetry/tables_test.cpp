// SPDX-License-Identifier: Apache-2.0
#include "telemetry/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"

namespace ebb::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kMiB = 1 << 20;

RankPeaks peaks(int rank, const memory::Sums& host_bytes) {
  RankPeaks r;
  r.rank = rank;
  r.host = "tide";
  r.host_bytes = host_bytes;
  for (const auto bytes : host_bytes) r.host_total += bytes;
  r.resident = 300 * kMiB;
  return r;
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) most = std::max(most, line.size());
  return most;
}

TEST(Tables, UnusedClassesAreLeftOut) {
  const std::string text = peak_table({peaks(0, {10 * kMiB, 0, 0, 512}), peaks(1, {9 * kMiB, 0, 0, 1536})});
  EXPECT_EQ(text,
            "rank  host  parameters  activations     total   resident\n"
            "   0  tide    10.0 MiB        512 B  10.0 MiB  300.0 MiB\n"
            "   1  tide     9.0 MiB      1.5 KiB   9.0 MiB  300.0 MiB\n");
}

TEST(Tables, AFullTableIsAtMost110ColumnsWide) {
  auto full = peaks(12345, {1023 * kMiB, 1023 * kMiB, 1023 * kMiB, 1023 * kMiB, 1023 * kMiB, 1023 * kMiB,
                            1023 * kMiB, 1023 * kMiB});
  full.host = std::string(60, 'h');
  full.outside = 1023 * kMiB;
  full.device_total = 1023 * kMiB;
  full.device_bytes = full.host_bytes;
  const std::string text = peak_table({full});
  EXPECT_LE(widest(text), 110u) << text;
  EXPECT_THAT(text, HasSubstr("1023M"));
  EXPECT_THAT(text, HasSubstr("binary units"));
}

TEST(Tables, DevicesHaveRowsOfTheirOwn) {
  auto one = peaks(0, {0, 0, 0, 0, 0, 0, 2 * kMiB, 0});
  one.device_bytes = {5 * kMiB};
  one.device_total = 5 * kMiB;
  const std::string text = peak_table({one});
  EXPECT_THAT(text, HasSubstr("   0  tide    host         0 B  2.0 MiB  2.0 MiB  300.0 MiB\n"));
  EXPECT_THAT(text, HasSubstr("   0  tide  device     5.0 MiB      0 B  5.0 MiB\n"));
}

TEST(Tables, OutsideIsShownIfItWasMeasured) {
  auto one = peaks(0, {kMiB});
  EXPECT_THAT(peak_table({one}), Not(HasSubstr("outside")));
  one.outside = 7 * kMiB;
  EXPECT_THAT(peak_table({one}), HasSubstr("outside"));
}

TEST(Tables, PeaksSurviveTheTextThatRanksExchange) {
  auto one = peaks(3, {1, 2, 3, 4, 5, 6, 7, 8});
  one.device_bytes = {9, 10};
  one.device_total = 19;
  one.outside = std::int64_t{1} << 50;
  const RankPeaks back = RankPeaks::parse(one.to_text());
  EXPECT_EQ(back.rank, 3);
  EXPECT_EQ(back.host, "tide");
  EXPECT_EQ(back.host_bytes, one.host_bytes);
  EXPECT_EQ(back.device_bytes, one.device_bytes);
  EXPECT_EQ(back.host_total, 36);
  EXPECT_EQ(back.device_total, 19);
  EXPECT_EQ(back.resident, 300 * kMiB);
  EXPECT_EQ(back.outside, std::int64_t{1} << 50);
  EXPECT_THROW((void)RankPeaks::parse("{}"), Error);
}

}  // namespace
}  // namespace ebb::telemetry
