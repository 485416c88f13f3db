// SPDX-License-Identifier: Apache-2.0
// The real program trains on a folder of pictures, and on the same pictures packed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/picture_files.h"
#include "support/planned_memory.h"
#include "support/tiny_run.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using data::testing::jpeg_of;
using data::testing::png_of;
using ::testing::HasSubstr;

std::string text_of(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A bright square on a ground of another colour.
data::Picture drawing(int number) {
  const std::int64_t height = 16 + number % 5, width = 16 + number % 7;
  data::Picture picture{height, width, 3, {}};
  for (std::int64_t y = 0; y < height; ++y)
    for (std::int64_t x = 0; x < width; ++x)
      for (std::int64_t c = 0; c < 3; ++c)
        picture.pixels.push_back(static_cast<std::byte>(
            y > 4 && y < 12 && x / 6 == number % 3 ? 250 - 40 * c : 20 + 60 * c + number % 40));
  return picture;
}

class Pictures : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    tiny_ = new TinyRun;
    for (int i = 0; i < 120; ++i) {
      const fs::path folder = fs::path(pictures()) / (i % 3 == 0 ? "left" : "other");
      fs::create_directories(folder);
      const std::string name = "picture-" + std::to_string(i) + (i % 4 == 0 ? ".jpg" : ".png");
      std::ofstream(folder / name, std::ios::binary)
          << (i % 4 == 0 ? jpeg_of(drawing(i)) : png_of(drawing(i)));
    }
  }
  static void TearDownTestSuite() { delete tiny_; }
  static std::string pictures() { return tiny_->folder() / "pictures"; }
  // The keys of a run on the folder.
  static std::vector<std::string> on_folder() {
    return {"data.source=" + pictures(), "data.format=auto", "data.size=16",
            "data.test_share=0.2",       "data.batch=8",     "run.steps=25",
            "run.samples=false"};
  }
  static ProcessResult pack(const std::string& out, const std::vector<std::string>& options) {
    std::vector<std::string> command{ebb_binary(), "data", "pack", pictures(), "-o", tiny_->folder() / out};
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  }
  static void expect_refused(const ProcessResult& result, int code, const std::vector<std::string>& texts) {
    EXPECT_EQ(result.exit_code, code) << result.out << result.err;
    for (const std::string& text : texts) EXPECT_THAT(result.err, HasSubstr(text));
  }
  static TinyRun* tiny_;
};
TinyRun* Pictures::tiny_ = nullptr;

// Two epochs and more, shuffled.
TEST_F(Pictures, TrainToTheSameLossesFromTheFolderAndPackedOnAnyNumberOfRanks) {
  const ProcessResult packed =
      pack("packed", {"--size", "16", "--test-share", "0.2", "--shard-size", "4KiB"});
  ASSERT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_THAT(packed.out, HasSubstr("packed: 96 samples of 3x16x16 with labels in "));
  EXPECT_THAT(packed.out, HasSubstr("packed: 24 samples of 3x16x16 with labels in "));
  for (const int ranks : {1, 2}) {
    const std::string number = std::to_string(ranks);
    const ProcessResult direct = tiny_->train(ranks, "folder-" + number, on_folder());
    ASSERT_EQ(direct.exit_code, 0) << direct.out << direct.err;
    EXPECT_THAT(direct.out, HasSubstr("mean of 24 test images"));
    const std::string saved = text_of(tiny_->run_folder("folder-" + number) + "/config.yaml");
    EXPECT_THAT(saved, HasSubstr("format: pictures"));
    EXPECT_THAT(saved, HasSubstr("test_share: 0.2"));
    const ProcessResult shards =
        tiny_->train(ranks, "shards-" + number,
                     {"data.source=" + (tiny_->folder() / "packed"), "data.format=auto", "data.batch=8",
                      "run.steps=25", "run.samples=false"});
    ASSERT_EQ(shards.exit_code, 0) << shards.out << shards.err;
    EXPECT_THAT(text_of(tiny_->run_folder("shards-" + number) + "/config.yaml"), HasSubstr("format: mds"));
    const auto folder_losses = losses(tiny_->run_folder("folder-" + number));
    EXPECT_EQ(folder_losses.size(), 25U);
    EXPECT_EQ(folder_losses, losses(tiny_->run_folder("shards-" + number)));
    EXPECT_EQ(checkpoint_tensors(tiny_->run_folder("folder-" + number)),
              checkpoint_tensors(tiny_->run_folder("shards-" + number)));
  }
}

TEST_F(Pictures, TheListIsInThePlan) {
  std::vector<std::string> overrides = on_folder();
  overrides.emplace_back("run.evaluate_every=10");
  const ProcessResult trained = tiny_->train(2, "planned", overrides);
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  expect_planned_memory(tiny_->folder() / "tiny.yaml", 2, overrides, tiny_->run_folder("planned"));
}

TEST_F(Pictures, AStoppedRunResumesToTheSameLosses) {
  std::vector<std::string> whole = on_folder(), half = on_folder();
  for (auto* keys : {&whole, &half})
    keys->insert(keys->end(), {"checkpoint.every=5", "optimizer.schedule.samples=200"});
  for (std::string& key : half)
    if (key == "run.steps=25") key = "run.steps=15";
  ASSERT_EQ(tiny_->train(1, "whole", whole).exit_code, 0);
  ASSERT_EQ(tiny_->train(1, "parts", half).exit_code, 0);
  const ProcessResult resumed = tiny_->train(1, "parts", whole);
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(losses(tiny_->run_folder("parts")), losses(tiny_->run_folder("whole")));
}

TEST_F(Pictures, AConditionalGanTrainsOnTheFolder) {
  std::ofstream(tiny_->folder() / "gan.yaml")
      << "run: {name: gan, dir: " << (tiny_->folder() / "runs") << ", steps: 4, evaluate_every: 0}\n"
      << "model: {kind: gan, latent: 8, width: 8, max_width: 16, group_width: 4, conditional: true, classes: "
         "2}\n"
      << "data: {source: " << pictures()
      << ", format: pictures, size: 16, crop: center, test_share: 0.2, batch: 8}\n"
      << "precision: {loss_scale: {initial: 1024}}\n"
      << "parallel: {threads: 1, timeout: 60s}\n";
  const ProcessResult trained = run({ebb_binary(), "train", tiny_->folder() / "gan.yaml"});
  EXPECT_EQ(trained.exit_code, 0) << trained.out << trained.err;
}

TEST_F(Pictures, WhatCannotBeReadIsNamedBeforeTheFirstStep) {
  std::vector<std::string> overrides = on_folder();
  std::erase(overrides, "data.size=16");
  expect_refused(tiny_->train(2, "sizes", overrides), 3, {"x 1", "(width x height)", "set data.size"});
  std::erase(overrides, "data.test_share=0.2");
  expect_refused(tiny_->train(2, "undivided", overrides), 2, {"is not divided", "data.test_share"});
  overrides = on_folder();
  overrides[0] = "data.source=" + (tiny_->folder() / "nowhere");
  expect_refused(tiny_->train(2, "nowhere", overrides), 2,
                 {"data.format is auto", "nowhere, does not exist"});
  fs::create_directory(tiny_->folder() / "unknown");
  std::ofstream(tiny_->folder() / "unknown/notes.txt") << "x";
  overrides[0] = "data.source=" + (tiny_->folder() / "unknown");
  expect_refused(tiny_->train(2, "unknown", overrides), 2, {"data.format is auto", "a folder of pictures"});
  const fs::path link = fs::path(pictures()) / "left/link.png";
  fs::create_symlink("/etc/hostname", link);
  expect_refused(tiny_->train(2, "link", on_folder()), 3, {"left/link.png is a link to", "outside of"});
  fs::remove(link);
}

// Most pictures are not read before their step.
TEST_F(Pictures, ADamagedOrMissingPictureEndsAllRanksByItsName) {
  const fs::path path = fs::path(pictures()) / "other/picture-1.png";
  const std::string whole = text_of(path);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << whole.substr(0, whole.size() / 2);
  std::vector<std::string> overrides = on_folder();
  overrides.emplace_back("data.batch=96");
  expect_refused(tiny_->train(2, "damaged", overrides), 3, {"other/picture-1.png"});
  const ProcessResult verified = run({ebb_binary(), "data", "verify", pictures()});
  expect_refused(verified, 3, {"1 of the 120 pictures", "other/picture-1.png"});
  expect_refused(pack("damaged", {"--size", "16"}), 3, {"other/picture-1.png"});
  EXPECT_FALSE(fs::exists(tiny_->folder() / "damaged"));
  std::ofstream(path, std::ios::binary | std::ios::trunc) << whole;
}

}  // namespace
}  // namespace ebb::test
