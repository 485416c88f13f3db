// SPDX-License-Identifier: Apache-2.0
// The real program trains on the same pictures in a folder, a zip archive, a .npy file, an .npz file and
// packed.
#include "data/arrays.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "data/picture_files.h"
#include "support/planned_memory.h"
#include "support/tiny_run.h"
#include "train/source_runs.h"

namespace ebb::test {
namespace {

namespace fs = std::filesystem;
using namespace data::testing;
using ::testing::HasSubstr;

class ArrayRuns : public SourceRuns {
 protected:
  static void SetUpTestSuite() {
    SourceRuns::SetUpTestSuite();
    std::string images, labels;
    std::vector<ZipMember> pictures;
    for (int i = 0; i < 60; ++i) {
      data::Picture picture = sample_picture(16, 16, 3);
      for (std::size_t p = 0; p < picture.pixels.size(); p += 1 + static_cast<std::size_t>(i) % 7)
        picture.pixels[p] = static_cast<std::byte>(4 * i);
      images += text_of_pixels(picture);
      const std::int64_t label = i < 25 ? 0 : 1;
      labels += number_text(label);
      const std::string name = (label == 0 ? "a/" : "b/") + std::to_string(100 + i) + ".png";
      write("pictures/" + name, png_of(picture));
      pictures.push_back({name, png_of(picture)});
    }
    const std::string x = npy_of("|u1", "(60, 16, 16, 3)", images), y = npy_of("<i8", "(60,)", labels);
    write("x.npy", x);
    write("x_labels.npy", y);
    write("arrays.npz", zip_of({{"x.npy", x, true}, {"y.npy", y, true}}));
    write("pictures.zip", zip_of(pictures));
  }
};
const std::string kShare = "data.test_share=0.2";

TEST_F(ArrayRuns, TrainToTheSameLossesAsAFolderAZipAndPacked) {
  const ProcessResult packed =
      run({ebb_binary(), "data", "pack", path("x.npy"), "-o", path("packed"), "--test-share", "0.2"});
  ASSERT_EQ(packed.exit_code, 0) << packed.err;
  EXPECT_THAT(packed.out, HasSubstr("packed: 48 samples of 3x16x16 with labels in "));
  ASSERT_EQ(tiny_->train(2, "folder", on("pictures", {kShare})).exit_code, 0);
  const auto expected = losses(tiny_->run_folder("folder"));
  const auto tensors = checkpoint_tensors(tiny_->run_folder("folder"));
  EXPECT_EQ(expected.size(), 15U);
  for (const std::string source : {"x.npy", "arrays.npz", "pictures.zip", "packed"}) {
    const ProcessResult trained =
        tiny_->train(2, source, source == "packed" ? on(source) : on(source, {kShare}));
    ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
    EXPECT_EQ(losses(tiny_->run_folder(source)), expected) << source;
    EXPECT_EQ(checkpoint_tensors(tiny_->run_folder(source)), tensors) << source;
  }
}

TEST_F(ArrayRuns, UnpackedArraysAndTheIndexOfAZipAreInThePlan) {
  for (const std::string source : {"arrays.npz", "pictures.zip"}) {
    const auto overrides = on(source, {"data.test_share=0.2", "run.evaluate_every=10"});
    const ProcessResult trained = tiny_->train(2, "planned-" + source, overrides);
    ASSERT_EQ(trained.exit_code, 0) << trained.out << trained.err;
    expect_planned_memory(tiny_->folder() / "tiny.yaml", 2, overrides,
                          tiny_->run_folder("planned-" + source));
  }
}

TEST_F(ArrayRuns, ADamagedArrayEndsTheRunOnAllRanksBeforeTheFirstStep) {
  write("cut.npy", npy_of("|u1", "(60, 16, 16, 3)", std::string(46'079, 'x')));
  const ProcessResult cut = tiny_->train(2, "cut", on("cut.npy", {kShare}));
  EXPECT_EQ(cut.exit_code, 3) << cut.out << cut.err;
  EXPECT_THAT(cut.err, HasSubstr("46079 follow its header"));
}

}  // namespace
}  // namespace ebb::test
