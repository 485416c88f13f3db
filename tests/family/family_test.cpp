// SPDX-License-Identifier: Apache-2.0
// A family of two networks, registered only by the tests, through all parts of a
// run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "data/mds/pack_idx.h"
#include "family/family_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// Of 8x8 images, 16 hidden units and noise of 4, in fp16.
constexpr std::int64_t kDiscriminatorBytes = 2 * (16 * 64 + 16 + 16 + 1);
constexpr std::int64_t kGeneratorBytes = 2 * (16 * 4 + 16 + 64 * 16 + 64);

class FamilyTest : public testing::Test {
 protected:
  static constexpr int kSteps = FamilyRun::kSteps, kBatch = FamilyRun::kBatch, kDraws = FamilyRun::kDraws;

  static void SetUpTestSuite() {
    runs = new FamilyRun;
    undisturbed = runs->train(1, "undisturbed");
  }
  static void TearDownTestSuite() { delete runs; }
  void SetUp() override { ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.out << undisturbed.err; }

  // A configuration of labelled_gan, and its data.
  static std::string labelled_run() {
    for (const char* split : {"train", "test"}) {
      const std::string images = runs->tiny().folder() / (std::string(split) + ".idx");
      const std::string labels = runs->tiny().folder() / (std::string(split) + "-labels.idx");
      const std::uint32_t count = std::string_view(split) == "train" ? 500 : 70;
      std::ofstream out(labels, std::ios::binary);
      out.write("\0\0\x08\x01\0\0", 6).put(static_cast<char>(count >> 8)).put(static_cast<char>(count & 255));
      for (std::uint32_t i = 0; i < count; ++i) out.put(static_cast<char>(i % 4));
      out.close();
      data::PackOptions options;
      options.images = images;
      options.labels = labels;
      options.out = runs->tiny().folder() / ("labelled/" + std::string(split));
      data::pack_idx(options, [](std::int64_t, std::int64_t) {});
    }
    const std::string file = runs->tiny().folder() / "labelled.yaml";
    std::ofstream(file) << "run: {name: labelled, dir: " << (runs->tiny().folder() / "runs")
                        << ", steps: 3}\n"
                        << "model: {kind: labelled_gan}\n"
                        << "data: {source: " << (runs->tiny().folder() / "labelled") << ", batch: " << kBatch
                        << "}\n"
                        << "parallel: {threads: 1, timeout: 60s}\n";
    return file;
  }

  static FamilyRun* runs;
  static ProcessResult undisturbed;
};
FamilyRun* FamilyTest::runs = nullptr;
ProcessResult FamilyTest::undisturbed;

TEST_F(FamilyTest, IsEvaluatedAndWritesItsSamples) {
  EXPECT_THAT(undisturbed.out, HasSubstr("of the discriminator, mean of 70 images"));
  const std::string folder = runs->folder("undisturbed");
  EXPECT_GT(json::parse(std::ifstream(folder + "/results.json")).at("test_loss").get<double>(), 0);
  EXPECT_TRUE(std::filesystem::exists(folder + "/samples.png"));
  const std::string grid = runs->tiny().folder() / "grid.png";
  const ProcessResult sampled = run({FamilyRun::core(), "sample", folder, "-o", grid, "--count", "4"});
  ASSERT_EQ(sampled.exit_code, 0) << sampled.err;
  EXPECT_GT(std::filesystem::file_size(grid), 50U);
}

TEST_F(FamilyTest, TrainsTheSameOnOneTwoAndFourRanks) {
  const auto one = runs->step_lines("undisturbed");
  ASSERT_EQ(one.size(), static_cast<std::size_t>(kSteps));
  for (const int ranks : {2, 4}) {
    const std::string name = "ranks-" + std::to_string(ranks);
    const ProcessResult result = runs->train(ranks, name);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const auto other = runs->step_lines(name);
    ASSERT_EQ(other.size(), one.size());
    for (const char* phase : {"discriminator", "generator"}) {
      const auto loss = [&](const json& line) {
        return line.at("phases").at(phase).at("loss").get<double>();
      };
      EXPECT_NEAR(loss(other[0]), loss(one[0]), 1e-3 * loss(one[0])) << phase;
      EXPECT_NEAR(loss(other[kSteps - 1]), loss(one[kSteps - 1]), 5e-2 * loss(one[kSteps - 1])) << phase;
    }
  }
}

TEST_F(FamilyTest, BothNetworksLearn) {
  const auto lines = runs->step_lines("undisturbed");
  EXPECT_LT(lines[kSteps - 1].at("phases").at("discriminator").at("loss"),
            lines[0].at("phases").at("discriminator").at("loss"));
  const auto tensors = checkpoint_tensors(runs->folder("undisturbed"));
  EXPECT_TRUE(tensors.contains("generator.optimizer/generator.pixels.weight.m"));
  const std::string& moments = tensors.at("generator.optimizer/generator.pixels.weight.m");
  EXPECT_NE(moments, std::string(moments.size(), '\0'));
}

TEST_F(FamilyTest, KilledAndResumedItEqualsTheUndisturbedRunToTheBit) {
  const std::vector<std::string> longer = {"run.steps=400", "checkpoint.every=50"};
  for (const int ranks : {1, 2}) {
    const std::string whole = "whole-" + std::to_string(ranks), killed = "killed-" + std::to_string(ranks);
    ASSERT_EQ(runs->train(ranks, whole, longer).exit_code, 0);
    runs->kill_after(120, ranks, killed, longer);
    const ProcessResult resumed = runs->train(ranks, killed, longer);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
    EXPECT_THAT(resumed.out, HasSubstr("from step"));
    const auto lines = runs->step_lines(whole), after = runs->step_lines(killed);
    ASSERT_EQ(lines.size(), after.size());
    for (std::size_t i = 0; i < lines.size(); ++i)
      for (const char* phase : {"discriminator", "generator"})
        ASSERT_EQ(lines[i].at("phases").at(phase).at("loss"), after[i].at("phases").at(phase).at("loss"))
            << phase << " of step " << i;
    EXPECT_EQ(checkpoint_tensors(runs->folder(whole)), checkpoint_tensors(runs->folder(killed)));
  }
}

TEST_F(FamilyTest, EachTraineeHasItsPartsOfACheckpoint) {
  const json saved = runs->manifest("undisturbed", kSteps);
  std::vector<std::string> parts;
  for (const auto& [part, values] : saved.at("values").items()) parts.push_back(part);
  EXPECT_THAT(parts, ElementsAre("cursor", "discriminator.optimizer", "discriminator.scaler",
                                 "generator.optimizer", "generator.scaler", "model"));
  EXPECT_EQ(saved.at("values").at("cursor").at("stream_position"), kSteps * kDraws * kBatch);
  EXPECT_EQ(saved.at("values").at("discriminator.optimizer").at("steps"), 2 * kSteps);
  EXPECT_EQ(saved.at("values").at("generator.optimizer").at("steps"), kSteps);
}

TEST_F(FamilyTest, MetricsTellThePhasesApart) {
  const json line = runs->step_lines("undisturbed")[10];
  const json& discriminator = line.at("phases").at("discriminator");
  const json& generator = line.at("phases").at("generator");
  EXPECT_EQ(discriminator.at("runs"), 2);
  EXPECT_EQ(generator.at("runs"), 1);
  EXPECT_DOUBLE_EQ(2 * discriminator.at("lr").get<double>(), generator.at("lr").get<double>());
  EXPECT_EQ(line.at("loss"), discriminator.at("loss"));
  EXPECT_TRUE(discriminator.at("terms").contains("fake"));
  EXPECT_DOUBLE_EQ(line.at("epoch").get<double>(), 11.0 * kDraws * kBatch / 500);
}

TEST_F(FamilyTest, TheMemoryLogTellsThePhasesApartAndEachStepGivesAllBack) {
  const auto lines = memory_lines(runs->folder("undisturbed"), 0);
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kSteps));
  for (const json& line : lines) {
    // Only those of the phase's own network: no gradient of the other network is live.
    EXPECT_EQ(line.at("phases").at("discriminator").at("gradients"), kDiscriminatorBytes);
    EXPECT_EQ(line.at("phases").at("generator").at("gradients"), kGeneratorBytes);
    EXPECT_EQ(line.at("live").at("gradients"), 0);
    EXPECT_EQ(line.at("live").at("parameters"), kDiscriminatorBytes + kGeneratorBytes);
    EXPECT_EQ(line.at("live"), lines[2].at("live"));
  }
}

TEST_F(FamilyTest, ATraineesKeysAreItsOwnAndMathematical) {
  const ProcessResult changed = runs->train(1, "undisturbed", {"discriminator.optimizer.lr=0.003"});
  EXPECT_EQ(changed.exit_code, 2);
  EXPECT_THAT(changed.err, HasSubstr("discriminator.optimizer.lr: saved with 0.002, now 0.003"));
  // Keys that are not set for it have the values of the section `optimizer`.
  const ProcessResult common = runs->train(1, "undisturbed", {"optimizer.beta1=0.5"});
  EXPECT_EQ(common.exit_code, 2);
  EXPECT_THAT(common.err, HasSubstr("\n  optimizer.beta1: saved with 0.9, now 0.5"));
}

TEST_F(FamilyTest, ASectionOfATraineeIsRefusedForAnotherFamily) {
  const ProcessResult result = run({FamilyRun::core(), "train", runs->tiny().folder() / "tiny.yaml",
                                    "run.name=other", "generator.optimizer.lr=0.1"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("only where model.kind is gan or tiny_gan"));
}

// Images of the test split are read for its samples, though the family reads labels as well.
TEST_F(FamilyTest, OneThatReadsImagesAndLabelsWritesSamplesAndIsPlanned) {
  const std::string file = labelled_run();
  const ProcessResult trained = run({FamilyRun::core(), "train", file});
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  EXPECT_GT(std::filesystem::file_size(runs->folder("labelled") + "/samples.png"), 50U);
  const ProcessResult planned = run({FamilyRun::core(), "plan", file, "--json"});
  ASSERT_EQ(planned.exit_code, 0) << planned.err;
  const ProcessResult without_data = run({FamilyRun::core(), "plan", file, "--json", "--image", "1x8x8",
                                          "data.source=" + (runs->tiny().folder() / "nowhere")});
  ASSERT_EQ(without_data.exit_code, 0) << without_data.err;
  EXPECT_EQ(nlohmann::json::parse(without_data.out).at("stages").at("backward"),
            nlohmann::json::parse(planned.out).at("stages").at("backward"));
}

// No weight changes and nothing is saved before the error.
TEST_F(FamilyTest, APenaltyWithAnOpOfFirstDerivativesOnlyIsRefusedByTheNameOfTheOp) {
  for (const int ranks : {1, 2}) {
    const std::string name = "once-" + std::to_string(ranks);
    const ProcessResult result = runs->train(ranks, name, {"model.norm_penalty=true", "checkpoint.every=1"});
    EXPECT_EQ(result.exit_code, 1) << result.out;
    EXPECT_THAT(result.err, HasSubstr("layer_norm: no second derivative"));
    EXPECT_TRUE(runs->step_lines(name).empty());
    EXPECT_FALSE(std::filesystem::exists(runs->folder(name) + "/checkpoints/step-00000001"));
  }
}

TEST_F(FamilyTest, ASharedDrawIsKeptOverItsMicroBatches) {
  const ProcessResult result = runs->train(1, "micro", {"data.micro_batches=4", "data.prefetch=1"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto micro = runs->step_lines("micro"), one = runs->step_lines("undisturbed");
  for (const char* phase : {"discriminator", "generator"}) {
    const double expected = one[0].at("phases").at(phase).at("loss");
    EXPECT_NEAR(micro[0].at("phases").at(phase).at("loss").get<double>(), expected, 1e-3 * expected);
  }
}

// The format of the tests is registered beside those of ebb. The command reaches its packer.
TEST(FormatOfTheTests, IsPackedByTheCommand) {
  const ProcessResult help = run({FamilyRun::core(), "data", "pack", "--help"});
  EXPECT_THAT(help.out, HasSubstr("numbers"));
  const ProcessResult packed = run({FamilyRun::core(), "data", "pack", "a.numbers", "b.numbers", "-o", "c"});
  EXPECT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_EQ(packed.out, "packed: 2 files of numbers, in c\n");
}

}  // namespace
}  // namespace ebb::test
