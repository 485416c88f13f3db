// SPDX-License-Identifier: Apache-2.0
#include "launch/stall_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace ebb::launch {
namespace {

using memory::Stage;
using std::chrono::milliseconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// A watch with a clock of its own.
class WatchedRanks {
 public:
  WatchedRanks(int ranks, double limit_s) : watch_(ranks, limit_s, now_) {}
  void report(int rank, std::int64_t step, Stage stage) {
    watch_.report({rank, step, stage, "host-" + std::to_string(rank)}, now_);
  }
  // Whether the run stands still within this time. The launcher looks as often as longest_wait() asks.
  bool stalls_within(double seconds) {
    const auto until =
        now_ + std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(seconds));
    while (now_ < until) {
      now_ += std::min(watch_.longest_wait(), std::chrono::ceil<milliseconds>(until - now_));
      if (watch_.is_stalled(now_)) return true;
    }
    return false;
  }
  // The whole container is frozen.
  bool stalls_after_a_pause_of(double seconds) {
    now_ += std::chrono::duration_cast<milliseconds>(std::chrono::duration<double>(seconds));
    return watch_.is_stalled(now_);
  }
  [[nodiscard]] std::string describe() const { return watch_.describe(now_); }

 private:
  StallWatch::Time now_ = StallWatch::Time(std::chrono::hours(1));
  StallWatch watch_;
};

TEST(StallWatch, ARunStallsWhenNoRankReportsForTheLimit) {
  WatchedRanks ranks(2, 600);
  ranks.report(0, 7, Stage::forward);
  ranks.report(1, 7, Stage::forward);
  EXPECT_FALSE(ranks.stalls_within(600));
  EXPECT_TRUE(ranks.stalls_within(1));
}

TEST(StallWatch, OneRankThatGoesOnIsEnough) {
  WatchedRanks ranks(2, 600);
  ranks.report(1, 7, Stage::load);
  for (int i = 0; i < 20; ++i) {
    ranks.report(0, 7, Stage::save);
    EXPECT_FALSE(ranks.stalls_within(590)) << i;
  }
}

TEST(StallWatch, TheStartHasAtLeastAMinute) {
  WatchedRanks ranks(1, 3);
  EXPECT_FALSE(ranks.stalls_within(60));
  EXPECT_TRUE(ranks.stalls_within(1));
  EXPECT_THAT(ranks.describe(), HasSubstr("rank 0: has not reported since its start"));
}

TEST(StallWatch, FromTheFirstStepOnTheLimitHolds) {
  WatchedRanks ranks(1, 3);
  EXPECT_FALSE(ranks.stalls_within(30));
  ranks.report(0, -1, Stage::setup);
  EXPECT_FALSE(ranks.stalls_within(60));
  ranks.report(0, 0, Stage::load);
  EXPECT_FALSE(ranks.stalls_within(3));
  EXPECT_TRUE(ranks.stalls_within(1));
}

TEST(StallWatch, ZeroTurnsItOff) {
  WatchedRanks ranks(1, 0);
  ranks.report(0, 1, Stage::load);
  EXPECT_FALSE(ranks.stalls_after_a_pause_of(1e6));
  EXPECT_EQ(StallWatch::heartbeat_period(0), milliseconds(5000));
}

TEST(StallWatch, ATimeInWhichTheLauncherWasFrozenTooDoesNotCount) {
  WatchedRanks ranks(1, 600);
  ranks.report(0, 1, Stage::load);
  EXPECT_FALSE(ranks.stalls_within(500));
  EXPECT_FALSE(ranks.stalls_after_a_pause_of(5000));
  EXPECT_FALSE(ranks.stalls_within(95));
  EXPECT_TRUE(ranks.stalls_within(10));
}

TEST(StallWatch, RanksReportSeveralTimesWithinTheLimit) {
  EXPECT_EQ(StallWatch::heartbeat_period(600), milliseconds(5000));
  EXPECT_EQ(StallWatch::heartbeat_period(3), milliseconds(750));
}

TEST(StallWatch, TheMessageSaysWhereEachRankWas) {
  WatchedRanks ranks(2, 600);
  ranks.report(0, -1, Stage::setup);
  EXPECT_FALSE(ranks.stalls_within(90));
  ranks.report(1, 12, Stage::save);
  EXPECT_TRUE(ranks.stalls_within(1000));
  EXPECT_THAT(ranks.describe(),
              AllOf(HasSubstr("no rank has made progress for 10m 05s (launch.stall is 10m 00s)"),
                    HasSubstr("\n  rank 0 on host-0: before the first step, stage setup, for 11m 35s"),
                    HasSubstr("\n  rank 1 on host-1: step 12, stage save, for 10m 05s"),
                    Not(HasSubstr("wait for it"))));
}

TEST(StallWatch, TheRankThatIsNotInReduceIsNamedFirst) {
  WatchedRanks ranks(40, 600);
  for (int rank = 0; rank < 40; ++rank) ranks.report(rank, 5, rank == 33 ? Stage::load : Stage::reduce);
  const std::string text = ranks.describe();
  EXPECT_THAT(text, HasSubstr("\n  rank 33 on host-33: step 5, stage load, for 0s; ranks in reduce wait "
                              "for it\n  rank 0 on host-0: step 5, stage reduce"));
  EXPECT_THAT(text,
              AllOf(HasSubstr("\n  24 more ranks, 39 of all are in reduce"), Not(HasSubstr("rank 20"))));
}

TEST(StallWatch, ARankThatDoesNotExistIsIgnored) {
  WatchedRanks ranks(1, 3);
  ranks.report(1, 5, Stage::load);
  EXPECT_THAT(ranks.describe(), Not(HasSubstr("rank 1")));
}

}  // namespace
}  // namespace ebb::launch
