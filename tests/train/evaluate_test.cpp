// SPDX-License-Identifier: Apache-2.0
// `ebb evaluate` of runs of several families, and the same measures during training.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "support/planned_memory.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

class EvaluateTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    images = new TinyRun;
    trained = images->train(1, "vae", {"run.steps=20", "evaluate.samples=32", "run.evaluate_every=10"});
  }
  static void TearDownTestSuite() { delete images; }
  void SetUp() override { ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err; }

  static ProcessResult evaluate(int ranks, const std::string& run_folder, std::vector<std::string> options) {
    std::vector<std::string> argv{ebb_binary(), "evaluate", run_folder};
    argv.insert(argv.end(), options.begin(), options.end());
    return run(ranks == 1 ? argv : mpirun(ranks, argv));
  }
  static json values(int ranks, const TinyRun& of, const std::string& name,
                     std::vector<std::string> options = {}) {
    const std::string file = of.folder() / ("values-" + std::to_string(ranks) + ".json");
    options.insert(options.end(), {"--json", file});
    const ProcessResult result = evaluate(ranks, of.run_folder(name), options);
    EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
    return json::parse(std::ifstream(file));
  }

  static TinyRun* images;
  static ProcessResult trained;
};
TinyRun* EvaluateTest::images = nullptr;
ProcessResult EvaluateTest::trained;

TEST_F(EvaluateTest, BoundsOfAVaeAndMeasuresOfItsImagesAreTheSameOnAnyNumberOfRanks) {
  const json one = values(1, *images, "vae", {"--draws", "8"});
  EXPECT_EQ(one.at("step"), 20);
  EXPECT_EQ(one.at("samples"), 70);
  const json& measures = one.at("measures");
  EXPECT_NEAR(measures.at("evidence_bound").get<double>(), -one.at("loss").get<double>(), 1e-3);
  // More draws give a tighter bound.
  EXPECT_GT(measures.at("importance_weighted_bound"), measures.at("evidence_bound"));
  EXPECT_GT(measures.at("sliced_wasserstein"), 0);
  const json two = values(2, *images, "vae", {"--draws", "8"});
  for (const auto& [name, value] : measures.items())
    EXPECT_NEAR(two.at("measures").at(name).get<double>(), value.get<double>(),
                1e-5 * std::abs(value.get<double>()))
        << name;
}

TEST_F(EvaluateTest, ALanguageModelHasPerplexityAndBitsPerByte) {
  const TinyRun text(TinyRun::Of::text);
  ASSERT_EQ(text.train(1, "gpt", {"run.steps=8"}).exit_code, 0);
  const json found = values(1, text, "gpt");
  const double loss = found.at("loss");
  EXPECT_NEAR(found.at("measures").at("perplexity").get<double>(), std::exp(loss), 1e-6 * std::exp(loss));
  // A token is a byte, or the end of a document, which is none.
  const double bits = found.at("measures").at("bits_per_byte"), per_token = loss / std::log(2);
  EXPECT_GE(bits, per_token * (1 - 1e-9));
  EXPECT_LT(bits, 1.1 * per_token);
  EXPECT_FALSE(found.at("measures").contains("sliced_wasserstein"));
}

TEST_F(EvaluateTest, TheSameMeasuresAreTakenDuringTraining) {
  EXPECT_THAT(trained.out, HasSubstr("sliced Wasserstein distance"));
  int evaluations = 0;
  for (const json& line : json_lines(images->run_folder("vae") + "/metrics.jsonl"))
    if (line.contains("eval")) {
      ++evaluations;
      EXPECT_GT(line.at("eval").at("sliced_wasserstein"), 0);
    }
  EXPECT_EQ(evaluations, 2);
  // They leave the run's bits alone, and give all memory back.
  const auto memory = memory_lines(images->run_folder("vae"), 0);
  EXPECT_EQ(memory.at(9).at("live"), memory.at(8).at("live"));
  ASSERT_EQ(images->train(1, "without", {"run.steps=20", "run.evaluate_every=0"}).exit_code, 0);
  EXPECT_EQ(checkpoint_tensors(images->run_folder("without")), checkpoint_tensors(images->run_folder("vae")));
}

std::vector<json> evaluations_of(const std::string& run_folder) {
  std::vector<json> found;
  for (const json& line : json_lines(run_folder + "/metrics.jsonl"))
    if (line.contains("eval")) found.push_back(line.at("eval"));
  return found;
}

TEST_F(EvaluateTest, TheBoundWithDrawsIsEstimatedDuringTrainingIfItIsAskedFor) {
  const std::vector<std::string> overrides = {"run.steps=20", "run.evaluate_every=10", "evaluate.draws=8",
                                              "run.samples=false"};
  std::vector<json> one;
  for (const int ranks : {1, 2}) {
    SCOPED_TRACE(std::to_string(ranks) + " ranks");
    const std::string name = "bound-" + std::to_string(ranks), folder = images->run_folder(name);
    const ProcessResult result = images->train(ranks, name, overrides);
    ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
    EXPECT_THAT(result.out, HasSubstr("importance-weighted bound (8 draws)"));
    const std::string results = json::parse(std::ifstream(folder + "/results.json")).at("text");
    EXPECT_THAT(results, HasSubstr("importance-weighted bound (8 draws)"));
    const std::vector<json> found = evaluations_of(folder);
    ASSERT_EQ(found.size(), 2U);
    for (const json& values : found) {
      EXPECT_NEAR(values.at("evidence_bound").get<double>(), -values.at("loss").get<double>(), 1e-3);
      EXPECT_GT(values.at("importance_weighted_bound"), values.at("evidence_bound"));
    }
    // It is that of `ebb evaluate`, which takes the run's number of draws.
    const json after = values(ranks, *images, name);
    EXPECT_EQ(after.at("draws"), 8);
    const double bound = found[1].at("importance_weighted_bound");
    EXPECT_NEAR(after.at("measures").at("importance_weighted_bound").get<double>(), bound,
                1e-6 * std::abs(bound));
    expect_planned_memory(images->folder() / "tiny.yaml", ranks, overrides, folder);
    if (ranks == 1) one = found;
    const double of_one = one[0].at("importance_weighted_bound");
    EXPECT_NEAR(found[0].at("importance_weighted_bound").get<double>(), of_one, 1e-2 * std::abs(of_one));
  }
  EXPECT_FALSE(evaluations_of(images->run_folder("vae"))[0].contains("importance_weighted_bound"));
  EXPECT_EQ(checkpoint_tensors(images->run_folder("bound-1")), checkpoint_tensors(images->run_folder("vae")))
      << "the bound changes the training";
}

TEST_F(EvaluateTest, FeaturesGiveDistancesAndThePictureOfNeighbours) {
  torch::jit::Module module("features");
  module.define("def forward(self, x):\n    return torch.mean(x.float(), [3]).flatten(1)\n");
  const std::string file = images->folder() / "features.pt", picture = images->folder() / "nearest.png";
  module.save(file);
  const std::vector<std::string> options = {"--features", file, "--draws", "0"};
  const json two = values(2, *images, "vae", options);
  std::vector<std::string> with_picture = options;
  with_picture.insert(with_picture.end(), {"--nearest", picture});
  const json one = values(1, *images, "vae", with_picture);
  EXPECT_GT(std::filesystem::file_size(picture), 50U);
  EXPECT_EQ(one.at("features").at("dimension"), 8);
  EXPECT_EQ(one.at("features").at("sha256").get<std::string>().size(), 64U);
  EXPECT_EQ(one.at("features").at("resize"), "none");
  EXPECT_FALSE(one.at("measures").contains("importance_weighted_bound"));
  EXPECT_GT(one.at("measures").at("frechet"), 0);
  for (const char* name : {"frechet", "kernel", "precision", "recall"})
    EXPECT_NEAR(two.at("measures").at(name).get<double>(), one.at("measures").at(name).get<double>(),
                1e-3 * (1 + std::abs(one.at("measures").at(name).get<double>())))
        << name;
}

TEST_F(EvaluateTest, OptionsThatAModelHasNoUseForAreRefused) {
  const TinyRun text(TinyRun::Of::text);
  ASSERT_EQ(text.train(1, "gpt", {"run.steps=2"}).exit_code, 0);
  for (const auto& [option, value] : {std::pair{"--samples", "8"}, std::pair{"--draws", "8"}}) {
    const ProcessResult result = evaluate(1, text.run_folder("gpt"), {option, value});
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(option));
  }
  // Text is no data for a model of images, and images of another size neither.
  const ProcessResult other =
      evaluate(1, images->run_folder("vae"), {"--data", text.folder() / "data", "data.format=tokens"});
  EXPECT_NE(other.exit_code, 0);
}

TEST_F(EvaluateTest, WhatDoesNotFitIsRefusedByName) {
  const std::string folder = images->run_folder("vae");
  const ProcessResult many = evaluate(1, folder, {"--samples", "71"});
  EXPECT_EQ(many.exit_code, 2);
  EXPECT_THAT(many.err, HasSubstr("71 images are to be generated"));
  const ProcessResult no_features = evaluate(1, folder, {"--nearest", images->folder() / "n.png"});
  EXPECT_EQ(no_features.exit_code, 2);
  EXPECT_THAT(no_features.err, HasSubstr("--features"));
  const ProcessResult no_source = images->train(1, "refused", {"evaluate.features=x.pt"});
  EXPECT_EQ(no_source.exit_code, 2);
  EXPECT_THAT(no_source.err, HasSubstr("evaluate.samples is 0"));
  const ProcessResult no_script = evaluate(2, folder, {"--features", images->folder() / "tiny.yaml"});
  EXPECT_EQ(no_script.exit_code, 2);
  EXPECT_THAT(no_script.err, HasSubstr("TorchScript"));
  const ProcessResult nothing = evaluate(1, images->folder() / "nowhere", {});
  EXPECT_EQ(nothing.exit_code, 7);
  const ProcessResult before = images->train(1, "refused", {"evaluate.samples=71"});
  EXPECT_EQ(before.exit_code, 2);
  EXPECT_THAT(before.err, HasSubstr("71 images are to be generated"));
  EXPECT_FALSE(std::filesystem::exists(images->run_folder("refused") + "/metrics.jsonl"));
  const TinyRun text(TinyRun::Of::text);
  const ProcessResult no_code = text.train(1, "refused", {"evaluate.draws=8"});
  EXPECT_EQ(no_code.exit_code, 2);
  EXPECT_THAT(no_code.err,
              HasSubstr("evaluate.draws is 8, but a model of the family gpt has no latent code"));
}

}  // namespace
}  // namespace ebb::test
