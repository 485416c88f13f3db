// SPDX-License-Identifier: Apache-2.0
// A GAN through all parts of a run: checkpoints, the average of the generator, samples, plans, wrong labels.
#include "train/gan_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include "support/planned_memory.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class GanRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny = new TinyRun;
    make_gan_run(*tiny);
    undisturbed = train(1, "undisturbed");
  }
  static void TearDownTestSuite() { delete tiny; }
  void SetUp() override { ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.out << undisturbed.err; }

  static ProcessResult train(int ranks, const std::string& name,
                             const std::vector<std::string>& overrides = {}) {
    return run(gan_command(*tiny, ranks, name, overrides));
  }
  static std::vector<json> step_lines(const std::string& name) {
    std::vector<json> lines;
    for (json& line : json_lines(tiny->run_folder(name) + "/metrics.jsonl"))
      if (line.contains("loss")) lines.push_back(std::move(line));
    return lines;
  }

  static TinyRun* tiny;
  static ProcessResult undisturbed;
};
TinyRun* GanRun::tiny = nullptr;
ProcessResult GanRun::undisturbed;

TEST_F(GanRun, WritesSamplesOfTheAverageWhileItTrains) {
  const std::string folder = tiny->run_folder("undisturbed");
  EXPECT_THAT(undisturbed.out, HasSubstr("of the discriminator, mean of 50 test images"));
  for (const char* file :
       {"samples.png", "samples/step-00000004/samples.png", "samples/step-00000008/samples.png"})
    EXPECT_TRUE(std::filesystem::exists(folder + "/" + file)) << file;
  const std::string grid = tiny->folder() / "grid.png";
  ASSERT_EQ(run({ebb_binary(), "sample", folder, "-o", grid, "--count", "9"}).exit_code, 0);
  EXPECT_GT(std::filesystem::file_size(grid), 50U);
}

TEST_F(GanRun, IsEvaluatedAlikeOnAnyNumberOfRanks) {
  std::vector<json> found;
  // The last batch has two images, so other ranks have none.
  for (const int ranks : {1, 2, 4}) {
    const std::string file = tiny->folder() / ("evaluated-" + std::to_string(ranks) + ".json");
    const std::vector<std::string> argv{
        ebb_binary(), "evaluate", tiny->run_folder("undisturbed"), "--samples", "40", "--json", file};
    const ProcessResult result = run(ranks == 1 ? argv : mpirun(ranks, argv));
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("of 40 generated and as many real images"));
    found.push_back(json::parse(std::ifstream(file)));
    EXPECT_EQ(found.back().at("measures").at("generated_images"), 40);
  }
  for (const json& other : found) {
    const double one = found[0].at("measures").at("sliced_wasserstein");
    EXPECT_GT(one, 0);
    EXPECT_NEAR(other.at("measures").at("sliced_wasserstein").get<double>(), one, 1e-3 * one);
    EXPECT_NEAR(other.at("loss").get<double>(), found[0].at("loss").get<double>(), 1e-3);
  }
}

TEST_F(GanRun, SamplesAndEvaluationsDoNotDisturbIt) {
  ASSERT_EQ(train(1, "without", {"run.evaluate_every=0", "run.sample_every=0"}).exit_code, 0);
  EXPECT_EQ(checkpoint_tensors(tiny->run_folder("without")),
            checkpoint_tensors(tiny->run_folder("undisturbed")));
}

TEST_F(GanRun, TheAverageIsPartOfACheckpointAndOfTheLedger) {
  const auto tensors = checkpoint_tensors(tiny->run_folder("undisturbed"));
  const std::string average = "generator.average/generator.stage0.basis",
                    weight = "model/generator.stage0.basis";
  ASSERT_TRUE(tensors.contains(average) && tensors.contains(weight));
  EXPECT_EQ(tensors.at(average).size(), 2 * tensors.at(weight).size());  // fp32 beside fp16
  EXPECT_FALSE(tensors.contains("discriminator.average/discriminator.stage0.image.weight"));
  const ProcessResult other = train(1, "undisturbed", {"generator.average.half_life=128"});
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.err, HasSubstr("generator.average.half_life: saved with 64, now 128"));
}

TEST_F(GanRun, MetricsHaveTheSchedules) {
  const auto lines = step_lines("undisturbed");
  const auto scheduled = [&](int step, const char* phase, const char* name) {
    return lines[step].at("phases").at(phase).at("scheduled").at(name).get<double>();
  };
  EXPECT_DOUBLE_EQ(scheduled(0, "discriminator", "penalty_ratio"), 1);
  EXPECT_NEAR(scheduled(5, "discriminator", "penalty_ratio"), 0.55, 1e-9);  // half-way through 160 samples
  EXPECT_NEAR(scheduled(10, "discriminator", "penalty_ratio"), 0.1, 1e-9);
  EXPECT_DOUBLE_EQ(scheduled(0, "discriminator", "augment_probability"), 0);
  EXPECT_NEAR(scheduled(5, "discriminator", "augment_probability"), 0.3, 1e-9);
  EXPECT_NEAR(scheduled(10, "discriminator", "augment_probability"), 0.6, 1e-9);
  EXPECT_DOUBLE_EQ(scheduled(0, "generator", "beta2"), 0.9);
  EXPECT_NEAR(scheduled(4, "generator", "beta2"), 0.945, 1e-9);
  EXPECT_NEAR(scheduled(9, "generator", "beta2"), 0.99, 1e-9);
  EXPECT_DOUBLE_EQ(scheduled(0, "generator", "average_decay"), 0);
  EXPECT_NEAR(scheduled(6, "generator", "average_decay"), std::exp2(-16.0 / 64), 1e-9);
}

TEST_F(GanRun, ItsMemoryIsPlannedToTheByte) {
  const std::string config = tiny->folder() / "gan.yaml";
  expect_planned_memory(config, 1, {}, tiny->run_folder("undisturbed"));
  const ProcessResult two = train(2, "planned-2");
  ASSERT_EQ(two.exit_code, 0) << two.err;
  for (const char* phase : {"discriminator", "generator"})
    EXPECT_TRUE(std::regex_search(two.out, std::regex(std::string(phase) + R"( +([0-9.]+ \S+) +\1 +\1\n)")))
        << "plan and both ranks: " << two.out;
  expect_planned_memory(config, 2, {}, tiny->run_folder("planned-2"));
  const std::vector<std::string> other = {"model.architecture=dcgan", "precision.dtype=fp32",
                                          "model.penalty.gradient=1", "model.penalty.every=2",
                                          "model.loss=hinge"};
  ASSERT_EQ(train(1, "planned-dcgan", other).exit_code, 0);
  expect_planned_memory(config, 1, other, tiny->run_folder("planned-dcgan"));
  for (const char* loss : {"model.loss=non_saturating", "model.loss=wasserstein"}) {
    const ProcessResult planned = run({ebb_binary(), "plan", config, "--json", loss});
    EXPECT_EQ(planned.exit_code, 0) << loss << planned.err;
  }
}

// A probability that follows a target begins at 0 here and rises while the run goes on.
TEST_F(GanRun, AnAdaptiveAugmentationIsPlannedWithAugmentedSteps) {
  const std::string config = tiny->folder() / "gan.yaml";
  const std::vector<std::string> adaptive = {"model.augment.schedule.curve=constant",
                                             "model.augment.target=0.01", "model.augment.adjust_samples=64",
                                             "run.steps=12"};
  ASSERT_EQ(train(1, "adaptive", adaptive).exit_code, 0);
  const auto probability = [](const json& line) {
    return line.at("phases").at("discriminator").at("scheduled").at("augment_probability").get<double>();
  };
  const auto lines = step_lines("adaptive");
  EXPECT_EQ(probability(lines.at(0)), 0);
  EXPECT_GT(probability(lines.at(11)), 0);
  expect_planned_memory(config, 1, adaptive, tiny->run_folder("adaptive"));
}

TEST_F(GanRun, NothingOfTheDiscriminatorsTurnLivesInTheGenerators) {
  const auto lines = memory_lines(tiny->run_folder("undisturbed"), 0);
  ASSERT_EQ(lines.size(), static_cast<std::size_t>(kSteps));
  for (const json& line : lines) {
    const auto of = [&](const char* phase, const char* name) {
      return line.at("phases").at(phase).at(name).get<double>();
    };
    // Gradients of one network at a time: together they are all parameters.
    EXPECT_EQ(of("discriminator", "gradients") + of("generator", "gradients"),
              line.at("live").at("parameters"));
    EXPECT_LT(of("generator", "activations"), of("discriminator", "activations"));
    EXPECT_EQ(line.at("live").at("activations"), 0);
    EXPECT_EQ(line.at("live").at("gradients"), 0);
  }
}

TEST_F(GanRun, MissingLabelsAreRefused) {
  const ProcessResult missing = train(1, "no-labels", {"data.source=" + (tiny->folder() / "data")});
  EXPECT_NE(missing.exit_code, 0);
  EXPECT_THAT(missing.err, HasSubstr("label"));
}

TEST_F(GanRun, LabelsOutOfRangeAreRefusedBeforeTraining) {
  const ProcessResult few = train(2, "few-classes", {"model.classes=2"});
  EXPECT_EQ(few.exit_code, 3) << few.out << few.err;
  const std::string shard = tiny->folder() / "gan/train/shard.00000.mds";
  for (const std::string& text : {shard, std::string("(sample 2 of the dataset)"), std::string("the label 2"),
                                  std::string("labels are from 0 to 1"), std::string("model.classes")})
    EXPECT_THAT(few.err, HasSubstr(text));
  EXPECT_FALSE(std::filesystem::exists(tiny->run_folder("few-classes") + "/metrics.jsonl"));
}

// Of 5000 samples 4096 are checked before training. Sample 5 is not among them, and is read in the first
// step.
TEST_F(GanRun, ALabelOutOfRangeIsRefusedWhenItIsRead) {
  make_gan_data(tiny->folder(), "wrong", 5000, 5);
  const std::string source = tiny->folder() / "wrong";
  const ProcessResult result = train(1, "wrong", {"data.source=" + source, "data.shuffle=false"});
  EXPECT_EQ(result.exit_code, 3) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr(source + "/train: sample 5 has the label 3"));
}

}  // namespace
}  // namespace ebb::test
