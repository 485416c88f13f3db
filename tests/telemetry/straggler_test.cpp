// SPDX-License-Identifier: Apache-2.0
#include "telemetry/straggler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <utility>

namespace ebb::telemetry {
namespace {

using memory::Stage;
using memory::StageSeconds;
using ::testing::HasSubstr;
using ::testing::Not;

// A rank that computes for these seconds and then waits until the step has lasted one second.
StageSeconds rank(double load, double forward, double backward) {
  StageSeconds s{};
  s[static_cast<std::size_t>(Stage::load)] = load;
  s[static_cast<std::size_t>(Stage::forward)] = forward;
  s[static_cast<std::size_t>(Stage::backward)] = backward;
  s[static_cast<std::size_t>(Stage::reduce)] = 1 - load - forward - backward;
  return s;
}

TEST(Straggler, ASingleRankIsNoStraggler) {
  EXPECT_FALSE(find_straggler({}));
  EXPECT_FALSE(find_straggler({rank(0.1, 0.3, 0.5)}));
}

TEST(Straggler, ADelayOfATenthOfTheStepIsNoStraggler) {
  EXPECT_FALSE(find_straggler({rank(0, 0.3, 0.5), rank(0, 0.3, 0.59)}));
  EXPECT_TRUE(find_straggler({rank(0, 0.3, 0.5), rank(0, 0.3, 0.61)}));
}

TEST(Straggler, ADelayOfUpTo5MsIsNoStraggler) {
  EXPECT_FALSE(find_straggler({{0, 0, 0.001, 0, 0.004}, {0, 0, 0.005, 0, 0.0}}));
  EXPECT_TRUE(find_straggler({{0, 0, 0.001, 0, 0.006}, {0, 0, 0.007, 0, 0.0}}));
}

TEST(Straggler, IsReportedWithItsDelayAndStage) {
  const auto found = find_straggler({rank(0.1, 0.2, 0.3), rank(0.1, 0.2, 0.3), rank(0.35, 0.25, 0.35)});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 2);
  EXPECT_EQ(found->stage, Stage::load);
  EXPECT_NEAR(found->delay_s, 0.35, 1e-12);
  EXPECT_NEAR(found->step_s, 1, 1e-12);
}

TEST(Straggler, IsFoundAmongTwoSlowRanksOfFive) {
  const auto found = find_straggler(
      {rank(0, 0.2, 0.3), rank(0, 0.2, 0.7), rank(0, 0.2, 0.3), rank(0, 0.2, 0.69), rank(0, 0.2, 0.3)});
  ASSERT_TRUE(found);
  EXPECT_EQ(found->rank, 1);
  EXPECT_EQ(found->stage, Stage::backward);
}

// The steps at which there was a report, and the reports.
using Reports = std::vector<std::pair<std::int64_t, std::string>>;

// `late`: the rank that delays a step by 200 of 800 ms in forward; -1: none.
Reports observe(StragglerWatch& watch, std::int64_t begin, std::int64_t end,
                const std::function<int(std::int64_t)>& late) {
  Reports reports;
  for (std::int64_t step = begin; step < end; ++step) {
    std::optional<Straggler> found;
    if (late(step) >= 0) found = Straggler{late(step), Stage::forward, 0.2, 0.8};
    if (const auto text = watch.observe(step, found)) reports.emplace_back(step, *text);
  }
  return reports;
}

TEST(StragglerWatch, ReportsARankThatStaysSlowOncePer500Steps) {
  StragglerWatch watch({"near", "far"});
  const Reports reports = observe(watch, 0, 1000, [](std::int64_t) { return 1; });
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].first, 19);
  EXPECT_EQ(reports[1].first, 519);
  for (const char* text :
       {"rank 1 (far) is slow", "20 of the last 20 steps", "25 %", "200 of 800 ms", "in forward"})
    EXPECT_THAT(reports[0].second, HasSubstr(text));
}

TEST(StragglerWatch, DoesNotReportSingleSlowSteps) {
  StragglerWatch watch({"near", "far"});
  EXPECT_TRUE(observe(watch, 0, 400, [](std::int64_t step) { return step % 3 == 0 ? 1 : -1; }).empty());
  EXPECT_TRUE(observe(watch, 400, 800, [](std::int64_t step) {
                return step % 3 == 0 ? static_cast<int>(step % 2) : -1;
              }).empty());
}

TEST(StragglerWatch, ARankThatIsLateInHalfOfTheStepsMayBeOneOfSeveral) {
  StragglerWatch watch({"vm", "vm"});
  const auto late = [](std::int64_t step) { return step % 2 == 0 ? -1 : step < 40 ? 0 : 1; };
  const Reports reports = observe(watch, 0, 100, late);
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_THAT(reports[0].second, HasSubstr("in turn: one of them was late in 10 of the last 20 steps"));
}

TEST(StragglerWatch, RanksThatAreLateInTurnAreReportedOnceForAllOfThem) {
  StragglerWatch watch({"vm", "vm"});
  const Reports reports =
      observe(watch, 0, 1000, [](std::int64_t step) { return static_cast<int>(step % 2); });
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_EQ(reports[0].first, 19);
  EXPECT_EQ(reports[1].first, 519);
  for (const char* text : {"in turn", "20 of the last 20 steps", "rank 0 (vm) in 10, rank 1 (vm) in 10",
                           "25 %", "200 of 800 ms", "in forward", "share one host", "parallel.threads"})
    EXPECT_THAT(reports[0].second, HasSubstr(text));
  EXPECT_THAT(reports[0].second, Not(HasSubstr("is slow")));
}

TEST(StragglerWatch, LongerTurnsAreNotReportedAsOneSlowRankAfterTheOther) {
  StragglerWatch watch({"near", "far"});
  const Reports reports =
      observe(watch, 0, 500, [](std::int64_t step) { return static_cast<int>(step / 30 % 2); });
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_THAT(reports[0].second, HasSubstr("rank 0 (near) is slow"));
  EXPECT_THAT(reports[1].second, HasSubstr("wait for each other in turn"));
  EXPECT_THAT(reports[1].second, HasSubstr("their hosts"));
}

TEST(StragglerWatch, ARankThatIsNoLongerLateIsStillNamedBeforeTheOneThatFollows) {
  StragglerWatch watch({"a", "b", "c"});
  const Reports reports = observe(watch, 0, 100, [](std::int64_t step) {
    return step < 30 ? 2 : step < 60 ? -1 : 0;
  });
  ASSERT_EQ(reports.size(), 2U);
  EXPECT_THAT(reports[0].second, HasSubstr("rank 2 (c) is slow"));
  EXPECT_THAT(reports[1].second, HasSubstr("rank 0 (a) in 15, rank 2 (c) in earlier steps"));
}

TEST(StragglerWatch, ASlowRankIsNamedThoughAnotherOneIsLateNowAndThen) {
  StragglerWatch watch({"near", "far"});
  const Reports reports = observe(watch, 0, 300, [](std::int64_t step) { return step % 5 == 0 ? 0 : 1; });
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_THAT(reports[0].second, HasSubstr("rank 1 (far) is slow: the other ranks waited for it in 16 of"));
}

TEST(StragglerWatch, OfManyRanksInTurnFourAreNamed) {
  StragglerWatch watch({"a", "a", "a", "b", "b", "b"});
  const Reports reports =
      observe(watch, 0, 100, [](std::int64_t step) { return static_cast<int>(step % 6); });
  ASSERT_EQ(reports.size(), 1U);
  EXPECT_THAT(reports[0].second,
              HasSubstr("rank 0 (a) in 4, rank 1 (a) in 4, rank 2 (a) in 3, rank 3 (b) in 3, 2 others in 6"));
}

}  // namespace
}  // namespace ebb::telemetry
