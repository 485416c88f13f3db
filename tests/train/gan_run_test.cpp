// SPDX-License-Identifier: Apache-2.0
// A GAN through all parts of a run: ranks, kills, checkpoints, the average of the generator, samples.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "data/mds/pack_idx.h"
#include "support/planned_memory.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int kSteps = 12, kBatch = 16, kSide = 16, kClasses = 3;

void write_header(std::ofstream& out, char dimensions, const std::vector<std::uint32_t>& sizes) {
  out.write("\0\0\x08", 3).put(dimensions);
  for (const std::uint32_t n : sizes)
    for (int shift = 24; shift >= 0; shift -= 8) out.put(static_cast<char>(n >> shift & 255));
}

// Bright squares whose place is their class, 14 x 14, padded to 16 x 16. `wrong` is the index of a training
// sample with the label kClasses, which is no class.
void make_data(const TemporaryFolder& folder, const std::string& name, std::uint32_t samples = 240,
               std::uint32_t wrong = UINT32_MAX) {
  for (const char* split : {"train", "test"}) {
    const bool trains = std::string_view(split) == "train";
    const std::uint32_t count = trains ? samples : 50;
    data::PackOptions options;
    options.images = folder / (std::string(split) + "-" + name + ".idx");
    options.labels = folder / (std::string(split) + "-" + name + "-labels.idx");
    options.out = folder / (name + "/" + std::string(split));
    options.pad = kSide;
    std::ofstream images(options.images, std::ios::binary), labels(options.labels, std::ios::binary);
    write_header(images, 3, {count, 14, 14});
    write_header(labels, 1, {count});
    for (std::uint32_t i = 0; i < count; ++i) {
      const std::uint32_t label = i % kClasses;
      labels.put(static_cast<char>(trains && i == wrong ? kClasses : label));
      for (std::uint32_t y = 0; y < 14; ++y)
        for (std::uint32_t x = 0; x < 14; ++x)
          images.put(static_cast<char>(x / 5 == label && y > 3 && y < 10 ? 200 + i % 50 : i % 20));
    }
    images.close();
    labels.close();
    data::pack_idx(options, [](std::int64_t, std::int64_t) {});
  }
}

class GanRun : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny = new TinyRun;
    make_data(tiny->folder(), "gan");
    std::ofstream(tiny->folder() / "gan.yaml")
        << "run: {name: gan, dir: " << (tiny->folder() / "runs") << ", steps: " << kSteps
        << ", evaluate_every: 6, sample_every: 4}\n"
        << "model: {kind: gan, latent: 8, width: 8, max_width: 16, group_width: 4, conditional: true, "
           "classes: "
        << kClasses << ",\n"
        << "        penalty: {r1: 0.5, r2: 0.5, final_ratio: 0.1, schedule: {curve: cosine, samples: 160}},\n"
        << "        augment: {final_probability: 0.6, schedule: {curve: linear, samples: 160}}}\n"
        << "data: {source: " << (tiny->folder() / "gan") << ", batch: " << kBatch << "}\n"
        << "precision: {loss_scale: {initial: 1024}}\n"
        << "optimizer: {lr: 0.002, beta1: 0, beta2: 0.9, final_beta2: 0.99, weight_decay: 0, clip_norm: 0,\n"
        << "            beta2_schedule: {curve: linear, samples: 128}, schedule: {warmup_steps: 2}}\n"
        << "generator: {average: {half_life: 64, ramp: {curve: linear, samples: 96}}}\n"
        << "parallel: {threads: 1, timeout: 60s}\n"
        << "checkpoint: {every: 3, keep: 10}\n";
    undisturbed = train(1, "undisturbed");
  }
  static void TearDownTestSuite() { delete tiny; }
  void SetUp() override { ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.out << undisturbed.err; }

  static std::vector<std::string> command(int ranks, const std::string& name,
                                          const std::vector<std::string>& overrides) {
    std::vector<std::string> argv{ebb_binary(), "train", tiny->folder() / "gan.yaml", "run.name=" + name};
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    return ranks == 1 ? argv : mpirun(ranks, argv);
  }
  static ProcessResult train(int ranks, const std::string& name,
                             const std::vector<std::string>& overrides = {}) {
    return run(command(ranks, name, overrides));
  }
  static std::vector<json> step_lines(const std::string& name) {
    std::vector<json> lines;
    for (json& line : json_lines(tiny->run_folder(name) + "/metrics.jsonl"))
      if (line.contains("loss")) lines.push_back(std::move(line));
    return lines;
  }
  static double loss(const json& line, const char* phase) {
    return line.at("phases").at(phase).at("loss").get<double>();
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

TEST_F(GanRun, ReadsTheSameSamplesAndNoiseOnAnyNumberOfRanks) {
  const auto one = step_lines("undisturbed");
  ASSERT_EQ(one.size(), static_cast<std::size_t>(kSteps));
  for (const int ranks : {2, 4}) {
    const std::string name = "ranks-" + std::to_string(ranks);
    const ProcessResult result = train(ranks, name);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    const auto other = step_lines(name);
    for (const char* phase : {"discriminator", "generator"}) {
      EXPECT_NEAR(loss(other[0], phase), loss(one[0], phase), 1e-3 * loss(one[0], phase)) << phase;
      for (int step = 1; step < kSteps; ++step)
        EXPECT_NEAR(loss(other[step], phase), loss(one[step], phase), 2e-2 * loss(one[step], phase))
            << phase << step;
    }
  }
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
  expect_planned_memory(config, 2, {}, tiny->run_folder("ranks-2"));
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

TEST_F(GanRun, KilledAtAnyTimeItResumesToTheSameBits) {
  const char* const asked = std::getenv("EBB_KILLS");
  const int kills = asked != nullptr ? std::atoi(asked) : 3;  // train_gan_kills asks for more
  // A quick machine does about 40 steps between two kills.
  const std::vector<std::string> longer = {"run.steps=" + std::to_string(50 * kills), "checkpoint.every=4",
                                           "run.evaluate_every=0", "run.sample_every=0"};
  for (const int ranks : {1, 2}) {
    const std::string whole = "whole-" + std::to_string(ranks), killed = "killed-" + std::to_string(ranks);
    ASSERT_EQ(train(ranks, whole, longer).exit_code, 0);
    std::mt19937 random(static_cast<unsigned>(ranks));
    pid_t before = 0;
    int hits = 0;
    const std::string results = tiny->run_folder(killed) + "/results.json";
    for (int i = 0; i < kills && !std::filesystem::exists(results); ++i) {
      Process process(command(ranks, killed, longer));
      const std::string lease = tiny->run_folder(killed) + "/lease.json";
      const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(120);
      pid_t holder = before;
      while (holder == before && std::chrono::steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
        const json read = json::parse(std::ifstream(lease), nullptr, false);
        if (read.is_object()) holder = read.at("pid").get<pid_t>();
      }
      ASSERT_NE(holder, before) << process.err();
      before = holder;
      std::this_thread::sleep_for(std::chrono::milliseconds(random() % 700));
      hits += kill(holder, SIGKILL) == 0 ? 1 : 0;
      (void)process.wait();
    }
    EXPECT_GT(hits, kills / 2) << "the run ended before most kills";
    const ProcessResult resumed = train(ranks, killed, longer);
    ASSERT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
    EXPECT_EQ(checkpoint_tensors(tiny->run_folder(whole)), checkpoint_tensors(tiny->run_folder(killed)));
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
  make_data(tiny->folder(), "wrong", 5000, 5);
  const std::string source = tiny->folder() / "wrong";
  const ProcessResult result = train(1, "wrong", {"data.source=" + source, "data.shuffle=false"});
  EXPECT_EQ(result.exit_code, 3) << result.out << result.err;
  EXPECT_THAT(result.err, HasSubstr(source + "/train: sample 5 has the label 3"));
}

}  // namespace
}  // namespace ebb::test
