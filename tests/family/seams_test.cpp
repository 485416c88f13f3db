// SPDX-License-Identifier: Apache-2.0
// Two seams of a run, seen by a family and formats of the tests. It opens the training split once, and
// `evaluate` needs no more of a family than training does.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "family/family_run.h"

namespace ebb::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

// Trains, and returns the name of the split for each opening by any rank.
std::vector<std::string> opened_splits(const FamilyRun& runs, int ranks, const std::string& name,
                                       const std::vector<std::string>& overrides) {
  const std::string notes = runs.tiny().folder() / (name + ".opens");
  ProcessOptions options;
  options.environment["EBB_TEST_OPENS"] = notes;
  const ProcessResult result = run(runs.command(ranks, name, overrides), options);
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  std::ifstream file(notes);
  std::vector<std::string> splits;
  for (std::string line; std::getline(file, line);) splits.push_back(line);
  return splits;
}

// The run evaluates, generates samples and saves. Each opening takes the memory of a cache again, and the
// plan of a run counts one of the training split.
TEST(OpeningsOfARun, TheTrainingSplitIsOpenedOnceByEachRank) {
  const FamilyRun runs;
  for (const int ranks : {1, 2}) {
    const std::vector<std::string> splits =
        opened_splits(runs, ranks, "opens-" + std::to_string(ranks),
                      {"run.evaluate_every=6", "run.sample_every=8", "evaluate.samples=16"});
    EXPECT_EQ(std::count(splits.begin(), splits.end(), std::string("train")), ranks);
    // Once for the loss, and once for the images that generated ones are compared with.
    EXPECT_EQ(std::count(splits.begin(), splits.end(), std::string("test")), 2 * ranks);
  }
}

// The values of `evaluate` for the newest checkpoint of the run.
json values_of(const FamilyRun& runs, int ranks, const std::string& name) {
  const std::string file = runs.tiny().folder() / (name + "-" + std::to_string(ranks) + ".json");
  const std::vector<std::string> argv{FamilyRun::core(), "evaluate", runs.folder(name), "--samples=40",
                                      "--json=" + file};
  const ProcessResult result = run(ranks == 1 ? argv : mpirun(ranks, argv));
  EXPECT_EQ(result.exit_code, 0) << result.out << result.err;
  EXPECT_THAT(result.out, HasSubstr("of the discriminator, mean of 70 images"));
  EXPECT_THAT(result.out, HasSubstr("of 40 generated and as many real images"));
  return json::parse(std::ifstream(file));
}

TEST(EvaluateOfTheTestsFamily, GivesTheLossOfTheRunAlsoOfAResumedOne) {
  const FamilyRun runs;
  for (const char* name : {"whole", "resumed"}) {
    const ProcessResult trained = runs.train(1, name);
    ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  }
  // As if the run had been killed before its last save.
  const std::filesystem::path folder = runs.folder("resumed");
  ASSERT_GT(std::filesystem::remove_all(folder / "checkpoints/step-00000024"), 0U);
  ASSERT_TRUE(std::filesystem::remove(folder / "results.json"));
  const ProcessResult resumed = runs.train(1, "resumed");
  ASSERT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
  ASSERT_THAT(resumed.out, HasSubstr("resumes from step 18"));

  const json values = values_of(runs, 1, "whole");
  EXPECT_EQ(values.at("step"), 24);
  EXPECT_EQ(values.at("samples"), 70);
  const double loss = values.at("loss");
  const json results = json::parse(std::ifstream(runs.folder("whole") + "/results.json"));
  EXPECT_NEAR(loss, results.at("test_loss").get<double>(), 1e-5 * std::abs(loss));
  const json& terms = values.at("terms");
  EXPECT_NEAR(loss, terms.at("real").get<double>() + terms.at("fake").get<double>(), 1e-5 * std::abs(loss));
  EXPECT_EQ(values.at("measures").at("generated_images"), 40);
  EXPECT_GT(values.at("measures").at("sliced_wasserstein"), 0);

  const json of_resumed = values_of(runs, 1, "resumed"), on_two_ranks = values_of(runs, 2, "whole");
  for (const char* key : {"step", "samples", "loss", "terms", "measures"})
    EXPECT_EQ(of_resumed.at(key), values.at(key)) << key;
  EXPECT_NEAR(on_two_ranks.at("loss").get<double>(), loss, 1e-3 * std::abs(loss));
}

}  // namespace
}  // namespace ebb::test
