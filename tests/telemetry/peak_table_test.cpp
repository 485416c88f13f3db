// SPDX-License-Identifier: Apache-2.0
#include "telemetry/peak_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "base/error.h"

namespace ebb::telemetry {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr std::int64_t kMiB = 1 << 20;

RankPeaks peaks(int rank, const memory::Sums& classes, std::int64_t resident = 300 * kMiB) {
  RankPeaks r;
  r.rank = rank;
  r.host = "tide";
  r.host_bytes = {classes, 4 * kMiB, resident};
  return r;
}

std::size_t widest(const std::string& text) {
  std::size_t most = 0;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) most = std::max(most, line.size());
  return most;
}

TEST(PeakTable, EachColumnAddsUpToItsResidentSet) {
  const PeakBytes plan{{10 * kMiB, 0, 0, 2 * kMiB}, 3 * kMiB, 250 * kMiB};
  EXPECT_EQ(peak_table({peaks(0, {10 * kMiB, 0, 0, kMiB}), peaks(1, {9 * kMiB, 0, 0, 1536})}, plan),
            "                        plan       rank 0       rank 1\n"
            "parameters          10.0 MiB     10.0 MiB      9.0 MiB\n"
            "activations          2.0 MiB      1.0 MiB      1.5 KiB\n"
            "total               12.0 MiB     11.0 MiB      9.0 MiB\n"
            "kept                 3.0 MiB      4.0 MiB      4.0 MiB\n"
            "outside            235.0 MiB    285.0 MiB    287.0 MiB\n"
            "resident           250.0 MiB    300.0 MiB    300.0 MiB\n");
}

TEST(PeakTable, WithoutAPlanItHasNoSuchColumn) {
  EXPECT_THAT(peak_table({peaks(0, {kMiB})}, {}), Not(HasSubstr("plan")));
}

TEST(PeakTable, AFullTableIsAtMost80CharactersWide) {
  constexpr std::int64_t kMost = 1023 * kMiB;
  std::vector<RankPeaks> ranks;
  for (int rank = 0; rank < 4; ++rank) {
    ranks.push_back(
        peaks(99996 + rank, {kMost, kMost, kMost, kMost, kMost, kMost, kMost, kMost}, 20 * kMost));
    ranks.back().host = std::string(60, static_cast<char>('a' + rank));
    ranks.back().device_bytes = ranks.back().host_bytes.classes;
  }
  const std::string text = peak_table(ranks, ranks[0].host_bytes);
  EXPECT_LE(widest(text), 80u) << text;
  EXPECT_THAT(text, HasSubstr("rank 99999"));
  EXPECT_THAT(text, HasSubstr(" dddddddddddd\n"));
}

TEST(PeakTable, OfManyRanksItShowsTheLeastAndTheMost) {
  std::vector<RankPeaks> ranks;
  for (int rank = 0; rank < 100; ++rank) ranks.push_back(peaks(rank, {kMiB}, (300 + rank * 37 % 100) * kMiB));
  const std::string text = peak_table(ranks, {});
  EXPECT_THAT(text, HasSubstr("       rank 0      rank 27\n"));  // 27 * 37 = 999
  EXPECT_THAT(text, HasSubstr("of 100)\n"));
}

TEST(PeakTable, ANarrowScreenShowsTwoRanks) {
  std::vector<RankPeaks> ranks;
  for (int rank = 0; rank < 4; ++rank) ranks.push_back(peaks(rank, {kMiB}, (300 - rank) * kMiB));
  for (const int columns : {80, 60, 20}) {
    const std::string text = peak_table(ranks, ranks[0].host_bytes, columns);
    if (columns == 80) {
      EXPECT_THAT(text, Not(HasSubstr("of 4)")));
      continue;
    }
    EXPECT_THAT(text, HasSubstr("        plan       rank 3       rank 0\n"));
    EXPECT_THAT(text, HasSubstr("of 4)\n"));
  }
  EXPECT_THAT(peak_table(ranks, {}, 60), HasSubstr("       rank 3       rank 0\n"));
  EXPECT_THAT(peak_table({ranks[0], ranks[1], ranks[2]}, {}, 60),
              HasSubstr("rank 0       rank 1       rank 2\n"));
}

TEST(PeakTable, DevicesHaveRowsOfTheirOwn) {
  auto one = peaks(0, {0, 0, 0, 0, 0, 0, 2 * kMiB, 0});
  one.device_bytes = {5 * kMiB};
  EXPECT_THAT(peak_table({one}, {}), HasSubstr("parameters           5.0 MiB\n"
                                               "total                5.0 MiB\n"
                                               "\nHost memory\n"
                                               "data                 2.0 MiB\n"));
}

TEST(PeakTable, SeveralPhasesHaveRowsOfTheirOwn) {
  auto one = peaks(0, {kMiB});
  one.host_bytes.phases = {{"generator", 3 * kMiB}};
  EXPECT_THAT(peak_table({one}, {}), Not(HasSubstr("phase"))) << "the only one has the total's bytes";
  one.host_bytes.phases.push_back({"discriminator", 4 * kMiB});
  PeakBytes plan = one.host_bytes;
  plan.phases[1].bytes = 2 * kMiB;
  EXPECT_THAT(peak_table({one}, plan), HasSubstr("\nLargest total in each phase\n"
                                                 "generator            3.0 MiB      3.0 MiB\n"
                                                 "discriminator        2.0 MiB      4.0 MiB\n"));
  plan.phases.clear();
  EXPECT_THAT(peak_table({one}, plan), HasSubstr("generator                  -      3.0 MiB\n"));
  one.device_bytes = {kMiB};
  EXPECT_THAT(peak_table({one}, {}), HasSubstr("\nLargest total in each phase (device)\n"));
}

TEST(PeakTable, PeaksSurviveTheTextThatRanksExchange) {
  auto one = peaks(3, {1, 2, 3, 4, 5, 6, 7, 8});
  one.device_bytes = {9, 10};
  one.host_bytes.phases = {{"generator", 11}};
  const RankPeaks back = RankPeaks::parse(one.to_text());
  EXPECT_EQ(back.rank, 3);
  EXPECT_EQ(back.host, "tide");
  EXPECT_EQ(back.host_bytes.classes, one.host_bytes.classes);
  EXPECT_EQ(back.host_bytes.kept, 4 * kMiB);
  EXPECT_EQ(back.host_bytes.resident, 300 * kMiB);
  EXPECT_EQ(back.device_bytes, one.device_bytes);
  ASSERT_EQ(back.host_bytes.phases.size(), 1U);
  EXPECT_EQ(back.host_bytes.phases[0].phase, "generator");
  EXPECT_EQ(back.host_bytes.phases[0].bytes, 11);
  EXPECT_THROW((void)RankPeaks::parse("{}"), Error);
}

}  // namespace
}  // namespace ebb::telemetry
