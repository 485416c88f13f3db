// SPDX-License-Identifier: Apache-2.0
// Wrong inputs of a GAN to the real program. Each is refused by its name and with its exit code, in training
// before the first step. gan_run_test.cpp has labels of the training split that are out of range.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/script.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "support/process.h"
#include "train/packed_split.h"

namespace ebb::test {
namespace {

using testing::HasSubstr;

// What is given to a command, and what its refusal has.
struct WrongInput {
  const char* what;
  std::vector<std::string> arguments;
  int code;
  std::vector<std::string> texts;
};

class RefusedGan : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder = new TemporaryFolder;
    pack("good", {.samples = 48}, {});
    std::ofstream(*folder / "gan.yaml")
        << "run: {name: gan, dir: " << (*folder / "runs") << ", steps: 2, samples: false}\n"
        << "model: {kind: gan, latent: 8, width: 8, max_width: 16, group_width: 4, conditional: true, "
        << "classes: 3}\n"
        << "data: {source: " << (*folder / "good") << ", batch: 16}\n"
        << "precision: {dtype: fp32}\n"
        << "optimizer: {lr: 0.002, schedule: {warmup_steps: 1}}\n"
        << "parallel: {threads: 1, timeout: 60s}\n";
  }
  static void TearDownTestSuite() { delete folder; }

  static void pack(const std::string& name, const PackedSplit& of_train, const PackedSplit& of_test) {
    pack_split(*folder / (name + "/train"), of_train);
    pack_split(*folder / (name + "/test"), of_test);
  }
  static std::string source(const std::string& name) { return "data.source=" + (*folder / name); }

  static ProcessResult train(const std::string& name, const std::vector<std::string>& overrides) {
    std::vector<std::string> argv{ebb_binary(), "train", *folder / "gan.yaml", "run.name=" + name};
    argv.insert(argv.end(), overrides.begin(), overrides.end());
    return run(argv);
  }
  // One message, which has all texts.
  static void expect_refusal(const ProcessResult& result, const WrongInput& wrong) {
    EXPECT_EQ(result.exit_code, wrong.code) << result.out << result.err;
    EXPECT_FALSE(result.timed_out);
    const std::size_t message = result.err.find("ebb: ");
    EXPECT_NE(message, std::string::npos);
    EXPECT_EQ(result.err.rfind("ebb: "), message) << result.err;
    for (const std::string& text : wrong.texts) EXPECT_THAT(result.err, HasSubstr(text));
  }
  static void expect_refused_before_training(const std::vector<WrongInput>& table) {
    for (const WrongInput& wrong : table) {
      SCOPED_TRACE(wrong.what);
      expect_refusal(train("refused", wrong.arguments), wrong);
      EXPECT_FALSE(std::filesystem::exists(*folder / "runs/refused/metrics.jsonl"));
    }
  }

  static TemporaryFolder* folder;
};
TemporaryFolder* RefusedGan::folder = nullptr;

TEST_F(RefusedGan, ImagesThatDoNotFit) {
  pack("odd-side", {.side = 24}, {.side = 24});
  pack("many-channels", {.channels = 5}, {.channels = 5});
  pack("grey-test", {.channels = 3}, {.channels = 1});
  expect_refused_before_training({
      {"a side that is no power of two",
       {source("odd-side")},
       2,
       {"power of two", "24 x 24", "ebb data pack --pad"}},
      {"more channels than it supports", {source("many-channels")}, 2, {"1 to 4 channels", "have 5"}},
      {"splits that disagree",
       {source("grey-test")},
       3,
       {*folder / "grey-test/train" + " has image u8 [3, 16, 16], label i64 []",
        *folder / "grey-test/test" + " has image u8 [1, 16, 16], label i64 []", "data.source"}},
  });
}

TEST_F(RefusedGan, LabelsThatDoNotFit) {
  pack("no-labels", {.classes = 0}, {.classes = 0});
  pack("no-test-labels", {}, {.classes = 0});
  pack("more-test-classes", {}, {.classes = 4});
  expect_refused_before_training({
      {"none", {source("no-labels")}, 3, {*folder / "no-labels/train" + " has no column 'label'"}},
      {"none in the test split",
       {source("no-test-labels")},
       3,
       {*folder / "no-test-labels/test" + " has no column 'label'"}},
      {"out of range in the test split",
       {source("more-test-classes")},
       3,
       {*folder / "more-test-classes/test", "the label 3", "labels are from 0 to 2", "model.classes"}},
  });
}

// One message names them all.
TEST_F(RefusedGan, ScheduleLengthsBelowZero) {
  WrongInput wrong{"lengths", {}, 2, {}};
  for (const std::string key :
       {"optimizer.schedule.samples", "optimizer.schedule.warmup_steps", "optimizer.beta2_schedule.samples",
        "average.ramp.samples", "discriminator.optimizer.schedule.samples", "generator.average.ramp.samples",
        "model.penalty.schedule.samples", "model.penalty.every", "model.augment.schedule.samples",
        "model.augment.adjust_samples"}) {
    wrong.arguments.push_back(key + "=-1");
    wrong.texts.push_back("override `" + key + "=-1`: key `" + key +
                          "`: `-1` is out of range; allowed: an integer at least ");
  }
  expect_refused_before_training({wrong});
}

TEST_F(RefusedGan, FeaturesThatCannotBeUsed) {
  const std::string config = *folder / "gan.yaml", cube = *folder / "cube.pt";
  torch::jit::Module module("features");
  module.define("def forward(self, x):\n    return torch.mean(x.float(), [1])\n");
  module.save(cube);
  // Nothing is loaded from the network.
  const std::string remote = "https://host.invalid/inception.pt";
  expect_refused_before_training({
      {"no TorchScript",
       {"evaluate.samples=8", "evaluate.features=" + config},
       2,
       {config + " is not TorchScript"}},
      {"another shape",
       {"evaluate.samples=8", "evaluate.features=" + cube},
       2,
       {cube + " returns Float [2, 16, 16] for 2 images", "[2, F]"}},
      {"an address",
       {"evaluate.samples=8", "evaluate.features=" + remote},
       2,
       {"'" + remote + "' is no file", "the path of a TorchScript file"}},
  });
}

TEST_F(RefusedGan, MoreImagesThanTheSplitHas) {
  expect_refused_before_training({
      {"during training",
       {"evaluate.samples=17"},
       2,
       {"17 images are to be generated", "the split that they are compared with has 16 images"}},
  });
}

TEST_F(RefusedGan, EvaluationsOnDataThatDoesNotFit) {
  const ProcessResult trained = train("whole", {});
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  pack("colours", {.channels = 3}, {.channels = 3});
  pack("unlabelled", {.classes = 0}, {.classes = 0});
  pack("mixed", {.channels = 3}, {});
  const std::string values = *folder / "values.json", module = *folder / "rows.pt",
                    picture = *folder / "nearest.png";
  torch::jit::Module features("features");
  features.define("def forward(self, x):\n    return x.float().flatten(1)\n");
  features.save(module);
  const std::vector<WrongInput> table = {
      {"more images than the split has",
       {"--samples", "17"},
       2,
       {"17 images are to be generated", "has 16 images"}},
      {"channels of another number",
       {"--data", *folder / "colours"},
       2,
       {"the model was trained on samples", *folder / "colours"}},
      {"training images of other channels, for the nearest ones",
       {"--data", *folder / "mixed", "--samples", "4", "--features", module, "--nearest", picture},
       2,
       {"the model was trained on samples", *folder / "mixed/train"}},
      {"no labels",
       {"--data", *folder / "unlabelled"},
       3,
       {*folder / "unlabelled/test" + " has no column 'label'"}},
      {"a picture that is no PNG", {"--nearest", *folder / "nearest.jpg"}, 2, {"--nearest ", "as PNG"}},
  };
  for (const WrongInput& wrong : table) {
    SCOPED_TRACE(wrong.what);
    std::vector<std::string> argv{ebb_binary(), "evaluate", *folder / "runs/whole", "--json", values};
    argv.insert(argv.end(), wrong.arguments.begin(), wrong.arguments.end());
    expect_refusal(run(argv), wrong);
    EXPECT_FALSE(std::filesystem::exists(values) || std::filesystem::exists(picture));
  }
}

}  // namespace
}  // namespace ebb::test
