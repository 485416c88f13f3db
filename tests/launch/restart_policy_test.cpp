// SPDX-License-Identifier: Apache-2.0
#include "launch/restart_policy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <deque>
#include <vector>

namespace ebb::launch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(RestartPolicy, GrantsRestartsForRetryableCodesOnly) {
  for (const int code : {5, 8, 75})
    EXPECT_TRUE(RestartPolicy(1, 1, -1).grant_restart(static_cast<ExitCode>(code), -1)) << code;
  for (const int code : {0, 1, 2, 3, 4, 6, 7})
    EXPECT_FALSE(RestartPolicy(1, 1, -1).grant_restart(static_cast<ExitCode>(code), -1)) << code;
}

TEST(RestartPolicy, DoublesThePauseUpToFiveMinutes) {
  RestartPolicy policy(10, 20, -1);
  std::vector<double> pauses;
  while (const auto pause = policy.grant_restart(ExitCode::communication, -1)) pauses.push_back(*pause);
  EXPECT_THAT(pauses, ElementsAre(20, 40, 80, 160, 300, 300, 300, 300, 300, 300));
}

TEST(RestartPolicy, ANewerCheckpointResetsTheLimit) {
  RestartPolicy policy(2, 1, 100);
  EXPECT_EQ(policy.grant_restart(ExitCode::communication, 100), 1);
  EXPECT_EQ(policy.grant_restart(ExitCode::communication, 100), 2);
  EXPECT_EQ(policy.grant_restart(ExitCode::communication, 110), 1);
  EXPECT_EQ(policy.grant_restart(ExitCode::communication, 110), 2);
  // Storage that does not answer is no progress, and a checkpoint that existed before is none.
  EXPECT_FALSE(policy.grant_restart(ExitCode::communication, -1));
  EXPECT_FALSE(policy.grant_restart(ExitCode::communication, 110));
}

TEST(RestartPolicy, GrantsNoRestartWithALimitOfZero) {
  EXPECT_FALSE(RestartPolicy(0, 1, -1).grant_restart(ExitCode::communication, -1));
}

// A run with a given sequence of ends.
struct ScriptedRuns {
  std::deque<RunEnd> ends;
  std::int64_t step = -1;
  bool stop_in_pause = false;
  int waits = 0;
  std::vector<double> pauses;
  std::vector<std::string> said;
  RunOutcome play(int restarts) {
    return run_with_restarts({[this] {
                                const RunEnd end = ends.front();
                                ends.pop_front();
                                return end;
                              },
                              [this] { ++waits; }, [this] { return step; },
                              [this](double seconds) {
                                pauses.push_back(seconds);
                                return stop_in_pause;
                              },
                              [this](const std::string& text) { said.push_back(text); }},
                             restarts, 1);
  }
};

TEST(RunWithRestarts, RepeatsUntilSuccess) {
  ScriptedRuns runs;
  runs.ends = {{205, 0, false}, {137, 0, false}, {143, 0, false},
               {8, 0, false},   {75, 0, false},  {0, 0, false}};
  EXPECT_EQ(runs.play(5).verdict.code, ExitCode::ok);
  EXPECT_EQ(runs.waits, 5) << "each start waits for the hosts";
  EXPECT_THAT(runs.pauses, ElementsAre(1, 2, 4, 8, 16));
  EXPECT_THAT(runs.said.at(0), HasSubstr("205"));
  EXPECT_THAT(runs.said.at(0), HasSubstr("1 of 5"));
}

TEST(RunWithRestarts, ReturnsTheLastCodeAtTheLimit) {
  ScriptedRuns runs;
  runs.ends = {{5, 0, false}, {5, 0, false}, {8, 0, false}};
  const RunOutcome outcome = runs.play(2);
  EXPECT_EQ(outcome.verdict.code, ExitCode::storage);
  EXPECT_THAT(outcome.verdict.message, HasSubstr("2 restarts in a row"));
}

TEST(RunWithRestarts, AKillForLackOfMemoryIsFinal) {
  ScriptedRuns runs;
  runs.ends = {{137, 0, true}};
  EXPECT_EQ(runs.play(5).verdict.code, ExitCode::memory);
  EXPECT_EQ(runs.waits, 0);
}

TEST(RunWithRestarts, ARequestedStopIsFinal) {
  ScriptedRuns runs;
  runs.ends = {{75, 1, false}};
  EXPECT_EQ(runs.play(5).verdict.code, ExitCode::stopped);
  EXPECT_TRUE(runs.pauses.empty());
  // A requested stop stays final if the run was lost while it ended.
  runs.ends = {{5, 1, false}};
  EXPECT_EQ(runs.play(5).verdict.code, ExitCode::communication);
  EXPECT_TRUE(runs.pauses.empty());
}

TEST(RunWithRestarts, AStopInThePauseReturns75AndNamesTheCheckpoint) {
  ScriptedRuns runs;
  runs.ends = {{5, 0, false}};
  runs.step = 40;
  runs.stop_in_pause = true;
  const RunOutcome outcome = runs.play(5);
  EXPECT_EQ(outcome.verdict.code, ExitCode::stopped);
  EXPECT_THAT(outcome.verdict.message, HasSubstr("step 40"));
  EXPECT_EQ(runs.waits, 0);
}

}  // namespace
}  // namespace ebb::launch
