// SPDX-License-Identifier: Apache-2.0
// Whole runs of the real program on a small dataset.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class RunTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny = new TinyRun;
    undisturbed = tiny->train(2, "undisturbed");
  }
  static void TearDownTestSuite() { delete tiny; }
  void SetUp() override { ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.out << undisturbed.err; }

  static TinyRun* tiny;
  static ProcessResult undisturbed;
};
TinyRun* RunTest::tiny = nullptr;
ProcessResult RunTest::undisturbed;

TEST_F(RunTest, LossFallsAndTheClosingScreenSaysWhereThingsLie) {
  const auto curve = losses(tiny->run_folder("undisturbed"));
  ASSERT_EQ(curve.size(), 30U);
  EXPECT_LT(curve.at(29), 0.97 * curve.at(0));
  for (const char* text : {"test loss", "Memory of each rank at its peak", "activations", "plan",
                           "samples.png", "reconstructions.png", "ebb sample"})
    EXPECT_THAT(undisturbed.out, HasSubstr(text));
  for (const char* file :
       {"samples.png", "reconstructions.png", "config.yaml", "results.json", "metrics.jsonl"})
    EXPECT_TRUE(std::filesystem::exists(tiny->run_folder("undisturbed") + "/" + file)) << file;
}

TEST_F(RunTest, SameSeedGivesTheSameCurveToTheBit) {
  ASSERT_EQ(tiny->train(2, "again").exit_code, 0);
  EXPECT_EQ(losses(tiny->run_folder("again")), losses(tiny->run_folder("undisturbed")));
  EXPECT_EQ(checkpoint_tensors(tiny->run_folder("again")),
            checkpoint_tensors(tiny->run_folder("undisturbed")));
  ASSERT_EQ(tiny->train(2, "other-seed", {"run.seed=2"}).exit_code, 0);
  EXPECT_NE(losses(tiny->run_folder("other-seed")), losses(tiny->run_folder("undisturbed")));
}

TEST_F(RunTest, RanksOneTwoAndFourAgreeWithinFp16Rounding) {
  const auto two = losses(tiny->run_folder("undisturbed"));
  for (const int ranks : {1, 4}) {
    const std::string name = "ranks-" + std::to_string(ranks);
    const ProcessResult result = tiny->train(ranks, name);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const auto other = losses(tiny->run_folder(name));
    ASSERT_EQ(other.size(), two.size());
    EXPECT_NEAR(other.at(0), two.at(0),
                1e-5 * two.at(0));  // the same samples, latents and weights: only sums differ
    EXPECT_NEAR(other.at(29), two.at(29), 1e-2 * two.at(29));
  }
}

TEST_F(RunTest, StoppedBySigtermAndResumedEqualsUndisturbed) {
  const std::vector<std::string> long_run = {"run.steps=400", "checkpoint.every=100"};
  ASSERT_EQ(tiny->train(2, "long", long_run).exit_code, 0);
  Process first(tiny->launch("stopped", long_run));
  ASSERT_TRUE(
      first.wait_for_output("global batch"));  // the line that describes the training: the loop has begun
  first.signal(SIGTERM);
  const ProcessResult stopped = first.wait();
  ASSERT_EQ(stopped.exit_code, 75) << stopped.out << stopped.err;
  EXPECT_THAT(stopped.out + stopped.err, HasSubstr("checkpoint saved"));
  const std::size_t done = losses(tiny->run_folder("stopped")).size();
  EXPECT_GT(done, 0U);
  EXPECT_LT(done, 400U);
  EXPECT_EQ(memory_lines(tiny->run_folder("stopped"), 1).size(), done);
  const ProcessResult resumed = tiny->train(2, "stopped", long_run);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.out, HasSubstr("resumes from step " + std::to_string(done)));
  EXPECT_EQ(losses(tiny->run_folder("stopped")), losses(tiny->run_folder("long")));
  EXPECT_EQ(checkpoint_tensors(tiny->run_folder("stopped")), checkpoint_tensors(tiny->run_folder("long")));
}

TEST_F(RunTest, ResumedOnOneTwoFourAndOneRanksItReadsTheSameSamples) {
  const std::string constant = "optimizer.schedule.kind=constant";
  ASSERT_EQ(tiny->train(1, "whole", {constant}).exit_code, 0);
  const std::vector<std::pair<int, int>> parts = {{1, 8}, {2, 15}, {4, 23}, {1, 30}};  // ranks, last step
  for (const auto& [ranks, last] : parts) {
    const ProcessResult part =
        tiny->train(ranks, "in-parts", {constant, "run.steps=" + std::to_string(last)});
    ASSERT_EQ(part.exit_code, 0) << ranks << " ranks: " << part.err;
  }
  const auto whole = losses(tiny->run_folder("whole")), in_parts = losses(tiny->run_folder("in-parts"));
  ASSERT_EQ(in_parts.size(), whole.size());
  // The losses of neighbouring steps differ by more, since each step reads other samples.
  for (const auto& [step, loss] : whole) EXPECT_NEAR(in_parts.at(step), loss, 2e-3 * loss) << "step " << step;
}

TEST_F(RunTest, LiveBytesAreTheSameAfterStepTenAndTheLast) {
  for (const int rank : {0, 1}) {
    const auto lines = memory_lines(tiny->run_folder("undisturbed"), rank);
    ASSERT_EQ(lines.size(), 30U);
    EXPECT_EQ(lines[10].at("live"), lines[29].at("live"));
    EXPECT_EQ(lines[10].at("live").at("gradients"), 0);
    EXPECT_EQ(lines[10].at("live").at("activations"), 0);
    EXPECT_GT(lines[10].at("peak").at("activations"), 0);
    EXPECT_GT(lines[10].at("live").at("optimizer"), lines[10].at("live").at("parameters"));
    EXPECT_GT(lines[10].at("resident"), lines[10].at("live_total"));
  }
}

TEST_F(RunTest, AFinishedRunPrintsItsResultsAgain) {
  const ProcessResult again = tiny->train(2, "undisturbed");
  EXPECT_EQ(again.exit_code, 0);
  const std::size_t done = undisturbed.out.find("Done: 30 steps");
  ASSERT_NE(done, std::string::npos);
  EXPECT_THAT(again.out, HasSubstr(undisturbed.out.substr(done)));
}

TEST_F(RunTest, AFinishedRunThatLacksItsSamplesMakesThem) {
  ASSERT_EQ(tiny->train(1, "samples").exit_code, 0);
  const std::string file = tiny->run_folder("samples") + "/samples.png";
  const auto bytes = std::filesystem::file_size(file);
  std::filesystem::remove(file);
  const ProcessResult again = tiny->train(1, "samples");
  EXPECT_EQ(again.exit_code, 0) << again.out << again.err;
  EXPECT_THAT(again.out, HasSubstr("Done: 30 steps"));
  ASSERT_TRUE(std::filesystem::exists(file));
  EXPECT_EQ(std::filesystem::file_size(file), bytes);
  EXPECT_EQ(losses(tiny->run_folder("samples")).size(), 30U);
}

TEST_F(RunTest, WhatAnEvaluationReadsIsTriedBeforeTheFirstStep) {
  const std::filesystem::path data = tiny->folder() / "damaged";
  std::filesystem::copy(tiny->folder() / "data", data, std::filesystem::copy_options::recursive);
  const std::filesystem::path shard = data / "test" / "shard.00000.mds";
  ASSERT_TRUE(std::filesystem::exists(shard));
  std::fstream file(shard, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(-1, std::ios::end).put('\x55');
  file.close();
  const ProcessResult result = tiny->train(2, "damaged", {"data.source=" + data.string()});
  EXPECT_EQ(result.exit_code, 3) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr("test/shard.00000.mds"));
  EXPECT_TRUE(losses(tiny->run_folder("damaged")).empty());
}

TEST_F(RunTest, TheTrialBeforeTheFirstStepLeavesNothing) {
  ASSERT_EQ(tiny->train(2, "without-samples", {"run.samples=false"}).exit_code, 0);
  EXPECT_EQ(checkpoint_tensors(tiny->run_folder("without-samples")),
            checkpoint_tensors(tiny->run_folder("undisturbed")));
  for (const auto& entry : std::filesystem::directory_iterator(tiny->run_folder("undisturbed")))
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".tmp.")));
}

TEST_F(RunTest, AnotherConfigurationIsRefusedWithTheKeysAndBothWaysOn) {
  const ProcessResult result = tiny->train(2, "undisturbed", {"optimizer.lr=0.02"});
  EXPECT_EQ(result.exit_code, 2);
  for (const char* text : {"optimizer.lr", "0.01", "0.02", "checkpoint.resume=force", "run.name="})
    EXPECT_THAT(result.err, HasSubstr(text));
}

TEST_F(RunTest, MicroBatchesGiveTheSameLossesWithinRounding) {
  ASSERT_EQ(tiny->train(1, "micro", {"data.micro_batches=4"}).exit_code, 0);
  const auto micro = losses(tiny->run_folder("micro")), two = losses(tiny->run_folder("undisturbed"));
  EXPECT_NEAR(micro.at(0), two.at(0), 1e-5 * two.at(0));
  EXPECT_NEAR(micro.at(29), two.at(29), 1e-2 * two.at(29));
}

TEST_F(RunTest, AWrongNumberOfRanksIsRefused) {
  const ProcessResult result = tiny->train(2, "four", {"parallel.ranks=4"});
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_THAT(result.err, HasSubstr("4"));
}

TEST_F(RunTest, ABatchThatRanksCannotShareIsRefused) {
  const ProcessResult result = tiny->train(2, "odd", {"data.batch=33"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("33"));
}

TEST_F(RunTest, RanksWithDifferentConfigurationsAreRefused) {
  const std::string line = "run.seed=$((OMPI_COMM_WORLD_RANK+1))";
  const ProcessResult result =
      run(mpirun(2, {"sh", "-c",
                     ebb_binary() + " train " + (tiny->folder() / "tiny.yaml") + " run.name=split " + line}));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("different configurations"));
}

TEST_F(RunTest, ASecondRunIntoAFolderIsRefusedWhenAskedTo) {
  Process first(tiny->command(1, "twice", {"run.steps=100000"}));
  ASSERT_TRUE(first.wait_for_output("global batch"));
  const ProcessResult second = tiny->train(1, "twice", {"run.steps=100000", "run.when_held=refuse"});
  EXPECT_EQ(second.exit_code, 2);
  EXPECT_THAT(second.err, HasSubstr(std::to_string(first.pid())));
  first.signal(SIGTERM);
  EXPECT_EQ(first.wait().exit_code, 75);
}

TEST_F(RunTest, SampleDrawsFromARun) {
  const std::string out = tiny->folder() / "grid.png";
  const ProcessResult result =
      run({ebb_binary(), "sample", tiny->run_folder("undisturbed"), "-o", out, "--count", "9"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(std::filesystem::file_size(out), 100U);
  const ProcessResult jpeg =
      run({ebb_binary(), "sample", tiny->run_folder("undisturbed"), "-o", tiny->folder() / "grid.jpg"});
  EXPECT_EQ(jpeg.exit_code, 2);
  EXPECT_THAT(jpeg.err, HasSubstr("grid.jpg: images are written as PNG"));
}

}  // namespace
}  // namespace ebb::test
