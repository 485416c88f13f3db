// SPDX-License-Identifier: Apache-2.0
// Checkpoints of others whose files are whole and whose numbers are wrong. Each is refused by name, with
// neither a step nor memory for what it claims.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/digest.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class ForgedCheckpoint : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun;
    first_ = tiny_->train(1, "saved", kSix);
  }
  static void TearDownTestSuite() { delete tiny_; }
  void SetUp() override { ASSERT_EQ(first_.exit_code, 0) << first_.err; }

  // A copy of the run under the name "forged", with a manifest that `edit` changes and whose hash is right.
  static fs::path forged(const std::function<void(json&)>& edit) {
    const fs::path run = tiny_->run_folder("forged");
    fs::remove_all(run);
    fs::copy(tiny_->run_folder("saved"), run, fs::copy_options::recursive);
    fs::remove(run / "results.json");
    const fs::path folder = run / "checkpoints/step-00000006";
    json manifest = json::parse(std::ifstream(folder / "manifest.json"));
    edit(manifest);
    const std::string text = manifest.dump(1);
    std::ofstream(folder / "manifest.json") << text;
    std::ofstream(folder / "DONE") << "manifest.json xxh3 " + digest_hex(text) + "\n";
    return run;
  }
  static void expect_refused(const ProcessResult& result, int code, const std::vector<std::string>& texts) {
    EXPECT_EQ(result.exit_code, code) << result.out << result.err;
    for (const auto& text : texts) EXPECT_THAT(result.err, HasSubstr(text));
  }
  static void expect_no_resume(const std::vector<std::string>& texts) {
    expect_refused(tiny_->train(1, "forged", kNine), 7, texts);
    EXPECT_FALSE(fs::exists(tiny_->run_folder("forged") + "/results.json"));
  }
  static ProcessResult sample() {
    return run({ebb_binary(), "sample", tiny_->run_folder("forged"), "-o", tiny_->folder() / "grid.png"});
  }

  static inline const std::vector<std::string> kSix = {"run.steps=6", "average.half_life=100"};
  static inline const std::vector<std::string> kNine = {"run.steps=9", "average.half_life=100",
                                                        "checkpoint.allow=[run.steps]"};
  static TinyRun* tiny_;
  static ProcessResult first_;
};
TinyRun* ForgedCheckpoint::tiny_ = nullptr;
ProcessResult ForgedCheckpoint::first_;

TEST_F(ForgedCheckpoint, AnEditThatChangesNothingIsAccepted) {
  forged([](json&) {});
  const ProcessResult resumed = tiny_->train(1, "forged", kNine);
  EXPECT_EQ(resumed.exit_code, 0) << resumed.out << resumed.err;
  EXPECT_EQ(sample().exit_code, 0);
}

TEST_F(ForgedCheckpoint, AStepThatIsNotThatOfTheFolder) {
  for (const std::int64_t step : {std::int64_t{1000000}, std::int64_t{5}}) {
    forged([&](json& manifest) { manifest["values"]["cursor"]["step"] = step; });
    expect_no_resume({"step-00000006 is damaged", "of step 6", "cursor of step " + std::to_string(step)});
  }
  forged([](json& manifest) { manifest["values"]["cursor"]["step"] = -1; });
  expect_no_resume({"step-00000006 is damaged", "values of cursor", "not -1"});
}

TEST_F(ForgedCheckpoint, SkippedSamplesBeyondTheEndOfTheStream) {
  forged([](json& manifest) {
    manifest["values"]["cursor"]["skipped"] = {{0, std::numeric_limits<std::int64_t>::max()}};
  });
  expect_no_resume({"step-00000006 is damaged", "values of cursor"});
}

TEST_F(ForgedCheckpoint, ARollbackBeyondTheEndOfTheStream) {
  const fs::path run = forged([](json&) {});
  std::ofstream(run / "rollback.json") << R"({"step":6,"stream_position":9223372036854775807})";
  expect_no_resume({"rollback.json is damaged"});
}

TEST_F(ForgedCheckpoint, CountersOfTheOptimizerBelowZero) {
  forged([](json& manifest) { manifest["values"]["optimizer"]["steps"] = -1; });
  expect_no_resume({"step-00000006 is damaged", "values of optimizer", "not -1"});
}

// The model would have gigabytes.
TEST_F(ForgedCheckpoint, AModelThatIsLargerThanItsTensors) {
  forged([](json& manifest) {
    std::string config = manifest["resolved_config"];
    const auto at = config.find("hidden: ");
    ASSERT_NE(at, std::string::npos);
    config.replace(at, config.find('\n', at) - at, "hidden: 1048576");
    manifest["resolved_config"] = config;
  });
  expect_refused(sample(), 7, {"has the shape [", "its configuration needs [", "1048576"});
}

TEST_F(ForgedCheckpoint, MicroBatchesWhoseProductWraps) {
  forged([](json& manifest) {
    for (json& entry : manifest["mathematical"])
      if (entry[0] == "data.micro_batches") entry[1] = "4611686018427387904";
  });
  expect_refused(tiny_->train(4, "forged",
                              {"run.steps=9", "average.half_life=100", "checkpoint.allow=[run.steps]",
                               "data.micro_batches=auto"}),
                 2, {"data.micro_batches is auto", "4611686018427387904"});
}

}  // namespace
}  // namespace ebb::test
