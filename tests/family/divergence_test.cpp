// SPDX-License-Identifier: Apache-2.0
// Runs that diverge: the three policies, and a rollback on any number of ranks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "family/family_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

constexpr int kSamplesOfAStep = FamilyRun::kDraws * FamilyRun::kBatch;

// Fails in step `step`.
std::string fails_in(int step) {
  return "model.fails_at=" + std::to_string(step * kSamplesOfAStep + 5);
}

class DivergenceTest : public testing::Test {
 protected:
  // Both runs fail in step 75 and go back. One is killed after `kill_after` lines of metrics, and resumed.
  void expect_killed_run_ends_as_whole_one(int steps, int save_every, std::size_t kill_after) {
    const std::vector<std::string> overrides = {"run.steps=" + std::to_string(steps),
                                                "checkpoint.every=" + std::to_string(save_every),
                                                fails_in(75), "run.on_divergence=rollback"};
    ASSERT_EQ(runs.train(1, "whole", overrides).exit_code, 0);
    runs.kill_after(kill_after, 1, "killed", overrides);
    const ProcessResult resumed = runs.train(1, "killed", overrides);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
    EXPECT_THAT(resumed.out, HasSubstr("from step"));
    EXPECT_THAT(resumed.out, Not(HasSubstr("goes back")));
    EXPECT_EQ(checkpoint_tensors(runs.folder("killed")), checkpoint_tensors(runs.folder("whole")));
  }

  FamilyRun runs;
};

TEST_F(DivergenceTest, AWarningIsPrintedAndTheRunGoesOn) {
  const ProcessResult result = runs.train(1, "warned", {fails_in(9)});
  ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("warning: step 9: sample 581 fails"));
}

TEST_F(DivergenceTest, WithStopItEndsTheRunAndNamesTheCheckpoint) {
  const ProcessResult result = runs.train(2, "stopped", {fails_in(9), "run.on_divergence=stop"});
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_THAT(result.err, HasSubstr("diverged in step 9 (phase discriminator): sample 581 fails"));
  EXPECT_THAT(result.err, HasSubstr("the last complete checkpoint is kept: step 6 in "));
}

TEST_F(DivergenceTest, RollbackSkipsTheSamplesSinceTheCheckpointOnAnyNumberOfRanks) {
  for (const int ranks : {1, 2}) {
    const std::string name = "rolled-back-" + std::to_string(ranks);
    const ProcessResult result = runs.train(ranks, name, {fails_in(9), "run.on_divergence=rollback"});
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("goes back to step 6 and skips the samples 384 to 639"));
    const json cursor = runs.manifest(name, FamilyRun::kSteps).at("values").at("cursor");
    EXPECT_EQ(cursor.at("skipped"), (json{{384, 640}}));
    EXPECT_EQ(cursor.at("stream_position"), FamilyRun::kSteps * kSamplesOfAStep + 256);
    const auto lines = json_lines(runs.folder(name) + "/metrics.jsonl");
    const auto note = std::ranges::find_if(lines, [](const json& line) { return line.contains("rollback"); });
    ASSERT_NE(note, lines.end());
    EXPECT_EQ(*note, (json{{"step", 6}, {"rollback", {{"diverged_at", 9}, {"skipped", {384, 640}}}}}));
    int expected = 0;
    for (const json& line : runs.step_lines(name)) EXPECT_EQ(line.at("step"), expected++);
    EXPECT_EQ(expected, FamilyRun::kSteps);
  }
}

TEST_F(DivergenceTest, ARunThatWentBackIsResumedToTheBit) {
  expect_killed_run_ends_as_whole_one(600, 50, 120);
  const json cursor = runs.manifest("killed", 600).at("values").at("cursor");
  EXPECT_EQ(cursor, runs.manifest("whole", 600).at("values").at("cursor"));
}

// The kill comes after the rollback to step 70 and before the next save.
TEST_F(DivergenceTest, AKillAfterARollbackDoesNotBringTheSkippedSamplesBack) {
  expect_killed_run_ends_as_whole_one(280, 70, 85);
}

// The learning rate grows until it is far too large. All losses stay finite.
TEST_F(DivergenceTest, AGrowingLossOfAModelWithOnePhaseIsTold) {
  const std::vector<std::string> growing = {"precision.dtype=fp32", "run.steps=300", "optimizer.lr=4",
                                            "optimizer.schedule.warmup_steps=300"};
  const ProcessResult warned = runs.tiny().train(1, "growing", growing);
  EXPECT_THAT(warned.out, HasSubstr("the loss grows: its average over the last steps is"));
  std::vector<std::string> stopping = growing;
  stopping.emplace_back("run.on_divergence=stop");
  const ProcessResult stopped = runs.tiny().train(2, "growing-stopped", stopping);
  EXPECT_EQ(stopped.exit_code, 6) << stopped.out;
  EXPECT_THAT(stopped.err, HasSubstr("the loss grows"));
}

TEST_F(DivergenceTest, WithoutACheckpointThereIsNothingToGoBackTo) {
  const ProcessResult result = runs.train(1, "early", {fails_in(3), "run.on_divergence=rollback"});
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_THAT(result.err, HasSubstr("there is no checkpoint to go back to"));
}

// The learning rate is the cause, so other samples do not help.
TEST_F(DivergenceTest, ItDoesNotGoBackForEver) {
  const ProcessResult result = runs.train(
      1, "hopeless",
      {"run.steps=4000", "optimizer.lr=1e6", "discriminator.optimizer.lr=1e6", "optimizer.clip_norm=0",
       "optimizer.schedule.warmup_steps=1000000", "checkpoint.every=1", "run.on_divergence=rollback"});
  EXPECT_EQ(result.exit_code, 6) << result.out;
  EXPECT_THAT(result.err, HasSubstr("times, each time with other samples"));
}

}  // namespace
}  // namespace ebb::test
