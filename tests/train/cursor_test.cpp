// SPDX-License-Identifier: Apache-2.0
#include "train/cursor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace ebb::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Cursor at_step(std::int64_t step) {
  Cursor cursor(1, 10);
  cursor.step = step;
  return cursor;
}

TEST(Cursor, GoingBackSkipsTheSamplesSinceThen) {
  Cursor cursor = at_step(6);
  cursor.skip_to(at_step(9).stream_position());
  EXPECT_THAT(cursor.skipped(), ElementsAre(SampleRange{60, 90}));
  EXPECT_EQ(cursor.stream_position(), 90);
  cursor.step = 9;
  EXPECT_EQ(cursor.stream_position(), 120);
}

TEST(Cursor, GoingBackTwiceToOneStepGivesOneRange) {
  Cursor first = at_step(6);
  first.skip_to(at_step(9).stream_position());
  first.step = 8;
  Cursor second = at_step(6);
  second.skip_to(first.stream_position());
  EXPECT_THAT(second.skipped(), ElementsAre(SampleRange{60, 110}));
  second.step = 13;
  Cursor third = second;  // its checkpoint has the range
  third.step = 10;
  third.skip_to(second.stream_position());
  EXPECT_THAT(third.skipped(), ElementsAre(SampleRange{60, 110}, SampleRange{150, 180}));
  EXPECT_EQ(third.stream_position(), 180);
}

// The second time the run goes back to a checkpoint from before the first range.
TEST(Cursor, GoingBackToBeforeARangeIncludesIt) {
  Cursor first = at_step(20);
  first.skip_to(at_step(25).stream_position());
  EXPECT_THAT(first.skipped(), ElementsAre(SampleRange{200, 250}));
  first.step = 30;  // the position is 350
  Cursor second = at_step(10);
  second.skip_to(first.stream_position());
  EXPECT_THAT(second.skipped(), ElementsAre(SampleRange{100, 350}));
  EXPECT_EQ(second.stream_position(), 350);
}

TEST(Cursor, ItsStateIsRestoredAndOlderStatesHaveNoRanges) {
  Cursor cursor = at_step(6);
  cursor.skip_to(at_step(9).stream_position());
  Cursor other(1, 10);
  other.restore(cursor.state().values);
  EXPECT_EQ(other.state().values, cursor.state().values);
  other.restore({{"step", 3}, {"seed", 1}, {"stream_position", 30}});
  EXPECT_EQ(other.step, 3);
  EXPECT_THAT(other.skipped(), IsEmpty());
}

TEST(Cursor, TheListIsBounded) {
  Cursor cursor = at_step(0);
  try {
    for (int i = 0; i < 100; ++i) {
      Cursor diverged = cursor;
      diverged.step += 2;
      cursor.step += 1;
      cursor.skip_to(diverged.stream_position());
      cursor.step += 5;
    }
    FAIL() << cursor.skipped().size();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ExitCode::numerics);
    EXPECT_THAT(error.what(), HasSubstr("64 ranges"));
    EXPECT_EQ(cursor.skipped().size(), Cursor::kMaxRanges);
  }
}

TEST(Cursor, AStateThatCannotBeIsRefused) {
  const std::int64_t last = Cursor::kLastPosition;
  nlohmann::json many = nlohmann::json::array();
  for (std::size_t i = 0; i <= Cursor::kMaxRanges; ++i) many.push_back({2 * i, 2 * i + 1});
  for (const nlohmann::json& values :
       std::vector<nlohmann::json>{{{"step", -1}},
                                   {{"step", last / 10 + 1}},
                                   {{"step", 1}, {"skipped", {{-5, 3}}}},
                                   {{"step", 1}, {"skipped", {{7, 3}}}},
                                   {{"step", 1}, {"skipped", {{3, 7}, {5, 9}}}},
                                   {{"step", 1}, {"skipped", {{0, last + 1}}}},
                                   {{"step", 1}, {"skipped", many}}}) {
    Cursor cursor = at_step(0);
    EXPECT_THROW(cursor.restore(values), nlohmann::json::exception) << values;
  }
  Cursor farthest = at_step(0);
  farthest.restore({{"step", last / 10}, {"skipped", {{0, last}}}});
  EXPECT_EQ(farthest.stream_position(), last / 10 * 10 + last);
}

TEST(LossWatch, TellsOnceOfALossThatGrows) {
  LossWatch watch;
  std::string told;
  for (int i = 0; i < 100; ++i) EXPECT_EQ(watch.observe(i < 10 ? 5.0 : 3.0), "");
  int at = 0;
  for (int i = 0; i < 100 && told.empty(); ++i, ++at) told = watch.observe(9.0);
  EXPECT_THAT(told, HasSubstr("The lowest was 3.0"));
  EXPECT_THAT(told, HasSubstr("that of the first 10 steps 5"));
  EXPECT_EQ(at, 6);  // from 3.09 towards 9 the average passes the limit of 4.09
  for (int i = 0; i < 50; ++i) EXPECT_EQ(watch.observe(9.0), "");
}

TEST(LossWatch, WithoutProgressTheLimitIsAboveTheFirstLosses) {
  LossWatch watch;
  std::string told;
  for (int i = 0; i < 60; ++i) EXPECT_EQ(watch.observe(5.0), "");
  for (int i = 0; i < 100; ++i) EXPECT_EQ(watch.observe(5.9), "");
  for (int i = 0; i < 100 && told.empty(); ++i) told = watch.observe(9.0);
  EXPECT_THAT(told, HasSubstr("the loss grows"));
}

TEST(LossWatch, ASmallRiseAfterSmallProgressIsQuiet) {
  LossWatch watch;
  for (int i = 0; i < 400; ++i) EXPECT_EQ(watch.observe(i < 10 ? 3.0 : i < 200 ? 2.65 : 2.9), "") << i;
}

TEST(LossWatch, ALossThatRisesALittleAfterItsFallIsQuiet) {
  LossWatch watch;
  for (int i = 0; i < 200; ++i) EXPECT_EQ(watch.observe(i < 10 ? 500.0 : 250.0 + 0.2 * i), "");
}

TEST(LossWatch, NegativeLossesMayFall) {
  LossWatch watch;
  for (int i = 0; i < 200; ++i) EXPECT_EQ(watch.observe(-1.0 - i), "");
}

TEST(LossWatch, ContinuesFromItsState) {
  LossWatch watch;
  for (int i = 0; i < 60; ++i) watch.observe(5 + 0.1 * std::sin(i));
  LossWatch other;
  other.restore(watch.state());
  for (int i = 0; i < 100; ++i) ASSERT_EQ(watch.observe(6.5 + i), other.observe(6.5 + i)) << i;
  EXPECT_EQ(watch.state(), other.state());
}

}  // namespace
}  // namespace ebb::train
