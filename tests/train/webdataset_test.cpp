// SPDX-License-Identifier: Apache-2.0
// The real program trains on a folder of pictures, on the same pictures in tar archives, and on these packed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "data/picture_files.h"
#include "data/tar_files.h"
#include "support/planned_memory.h"
#include "support/tiny_run.h"
#include "train/source_runs.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using namespace data::testing;
using ::testing::HasSubstr;

class TarPictures : public SourceRuns {
 protected:
  // By their paths, in bytewise order, half of them in each archive.
  static void SetUpTestSuite() {
    SourceRuns::SetUpTestSuite();
    std::map<std::string, std::string> files;
    for (int i = 0; i < 80; ++i) {
      const data::Picture picture = sample_picture(14 + i % 5, 17 + i % 3, 3);
      files[(i % 3 == 0 ? "a/" : "b/") + std::to_string(i) + (i % 4 == 0 ? ".jpg" : ".png")] =
          i % 4 == 0 ? jpeg_of(picture) : png_of(picture);
    }
    std::string archives[2];
    for (std::size_t number = 0; const auto& [path, bytes] : files) {
      write("pictures/" + path, bytes);
      std::string& archive = archives[number++ * 2 / files.size()];
      archive += tar_file(path.substr(0, path.find('.')) + ".cls", path[0] == 'a' ? "0" : "1") +
                 tar_file(path, bytes);
    }
    for (std::size_t i = 0; i < 2; ++i)
      write("tars/shard-" + std::to_string(i) + ".tar", archives[i] + kTarEnd);
  }
};
const std::vector<std::string> kUnpacked{"data.size=16", "data.test_share=0.2"};

TEST_F(TarPictures, TrainToTheSameLossesAsTheFolderAndPacked) {
  const ProcessResult packed = run({ebb_binary(), "data", "pack", path("tars"), "-o", path("packed"),
                                    "--size", "16", "--test-share", "0.2"});
  ASSERT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_THAT(packed.out, HasSubstr("packed: 64 samples of 3x16x16 with labels in "));
  const ProcessResult direct = tiny_->train(2, "tars", on("tars", kUnpacked));
  ASSERT_EQ(direct.exit_code, 0) << direct.out << direct.err;
  ASSERT_EQ(tiny_->train(1, "folder", on("pictures", kUnpacked)).exit_code, 0);
  ASSERT_EQ(tiny_->train(1, "tars-1", on("tars", kUnpacked)).exit_code, 0);
  ASSERT_EQ(tiny_->train(2, "packed", on("packed")).exit_code, 0);
  EXPECT_EQ(losses(tiny_->run_folder("tars")).size(), 15U);
  EXPECT_EQ(losses(tiny_->run_folder("tars-1")), losses(tiny_->run_folder("folder")));
  EXPECT_EQ(checkpoint_tensors(tiny_->run_folder("tars-1")), checkpoint_tensors(tiny_->run_folder("folder")));
  EXPECT_EQ(losses(tiny_->run_folder("tars")), losses(tiny_->run_folder("packed")));
  EXPECT_EQ(checkpoint_tensors(tiny_->run_folder("tars")), checkpoint_tensors(tiny_->run_folder("packed")));
}

TEST_F(TarPictures, TheIndexIsInThePlan) {
  const auto overrides = on("tars", {kUnpacked[0], kUnpacked[1], "run.evaluate_every=10"});
  const ProcessResult trained = tiny_->train(2, "planned", overrides);
  ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
  expect_planned_memory(tiny_->folder() / "tiny.yaml", 2, overrides, tiny_->run_folder("planned"));
}

TEST_F(TarPictures, ADamagedArchiveEndsTheRunOnAllRanksBeforeTheFirstStep) {
  fs::copy(path("tars"), path("cut"));
  fs::resize_file(fs::path(path("cut")) / "shard-1.tar", 20'000);
  const ProcessResult cut = tiny_->train(2, "cut", on("cut", kUnpacked));
  EXPECT_EQ(cut.exit_code, 3) << cut.out << cut.err;
  EXPECT_THAT(cut.err, HasSubstr("shard-1.tar: the header at byte "));
}

}  // namespace
}  // namespace ebb::test
