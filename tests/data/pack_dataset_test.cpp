// SPDX-License-Identifier: Apache-2.0
#include "data/mds/pack_dataset.h"

#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <csignal>

#include "data/arrays.h"
#include "data/counting_format.h"
#include "data/format_fixture.h"
#include "data/picture_files.h"

namespace ebb::data {
namespace {

using namespace testing;
using ::testing::HasSubstr;

class PackPictures : public FormatTest {
 protected:
  // Pictures of two classes and different sizes.
  void SetUp() override {
    for (int i = 0; i < 12; ++i)
      put(std::string("pics/") + (i % 3 == 0 ? "ant/" : "bee/") + std::to_string(10 + i) + ".png",
          png_of(sample_picture(8 + i, 9 + i % 4, 3)));
    request_.inputs = {dir_ / "pics"};
    request_.out = dir_ / "out/data";
    request_.size = 8;
    request_.shard_size = "2KiB";
  }
  static std::string pack(const PackRequest& request, const Progress& progress = {}) {
    const Formats formats = builtin_formats();
    return find_packer(formats, request).pack(request, formats, progress);
  }
  [[nodiscard]] DataConfig folder() const {
    DataConfig config = config_of("pics", "pictures");
    config.pictures.size = 8;
    return config;
  }
  static void expect_equal(Dataset& a, Dataset& b) {
    ASSERT_EQ(a.spec(), b.spec());
    ASSERT_EQ(a.size(), b.size());
    std::vector<std::byte> first(static_cast<std::size_t>(a.spec().bytes())), second = first;
    const auto read = [](Dataset& dataset, std::int64_t i, std::vector<std::byte>& bytes) {
      std::vector<std::span<std::byte>> spans;
      std::size_t at = 0;
      for (const core::FieldSpec& field : dataset.spec().fields) {
        spans.push_back(std::span(bytes).subspan(at, static_cast<std::size_t>(field.bytes())));
        at += spans.back().size();
      }
      dataset.read(i, spans);
    };
    for (std::int64_t i = 0; i < a.size(); ++i) {
      read(a, i, first);
      read(b, i, second);
      ASSERT_EQ(first, second) << "sample " << i;
    }
  }
  PackRequest request_;
};

TEST_F(PackPictures, ThePackedSamplesAreThoseOfTheFolder) {
  const std::vector<std::string> fields = {"image", "label"};
  const std::string text = pack(request_);
  EXPECT_THAT(text, HasSubstr("packed: 12 samples of 3x8x8 with labels in "));
  EXPECT_THAT(text, HasSubstr("This is one split"));
  const auto packed = open_mds(request_.out, {fields});
  const auto whole = folder().entry().open(folder(), {"", fields});
  expect_equal(*packed, *whole);
  EXPECT_THAT(inspect(builtin_formats(), request_.out), HasSubstr("packed from  pics"));
  EXPECT_NO_THROW((void)verify(builtin_formats(), request_.out, {}));
}

TEST_F(PackPictures, AShareMakesTheSplitsThatARunOnTheFolderHas) {
  request_.test_share = 0.25;
  request_.crop = true;
  request_.channels = 1;
  std::int64_t last = -1, total = 0;
  const std::string text = pack(request_, [&](std::int64_t done, std::int64_t all) {
    EXPECT_GE(done, last);
    last = done;
    total = all;
  });
  EXPECT_EQ(last, 12);
  EXPECT_EQ(total, 12);
  EXPECT_THAT(text, HasSubstr("9 samples of 1x8x8"));
  EXPECT_THAT(text, HasSubstr("3 samples of 1x8x8"));
  EXPECT_EQ(text.find("one split"), std::string::npos) << text;
  DataConfig config = folder();
  config.test_share = 0.25;
  config.pictures.crop = true;
  config.pictures.channels = 1;
  for (const char* split : {"train", "test"}) {
    const auto packed = open_mds(request_.out / split, {{"image", "label"}});
    const auto direct = config.entry().open(config, {split, {"image", "label"}});
    expect_equal(*packed, *direct);
  }
}

TEST_F(PackPictures, SplitsOfTheSourceStaySplits) {
  fs::rename(dir_ / "pics", dir_ / "train");
  fs::create_directories(dir_ / "pics/test");
  fs::rename(dir_ / "train", dir_ / "pics/train");
  put("pics/test/bee/1.png", png_of(sample_picture(8, 8, 3)));
  (void)pack(request_);
  EXPECT_EQ(open_mds(request_.out / "train")->size(), 12);
  const auto test = open_mds(request_.out / "test", {{"label"}});
  std::int64_t label = 0;
  read_only_field(*test, 0, std::as_writable_bytes(std::span(&label, 1)));
  EXPECT_EQ(label, 1);
  request_.test_share = 0.1;
  expect_error(ExitCode::usage, {"test split of its own"}, [this] { (void)pack(request_); });
}

TEST_F(PackPictures, WithoutClassFoldersThereAreNoLabels) {
  put("pics/stray.png", png_of(sample_picture(8, 8, 3)));
  EXPECT_THAT(pack(request_), HasSubstr("packed: 13 samples of 3x8x8 without labels in "));
  EXPECT_EQ(inspect(builtin_formats(), request_.out).find("label "), std::string::npos);
}

TEST_F(PackPictures, ASecondPackIsTheFirstUnlessAFileChanged) {
  (void)pack(request_);
  EXPECT_THAT(pack(request_), HasSubstr("already packed: 12 samples"));
  PackRequest other = request_;
  other.size = 9;
  expect_error(ExitCode::usage, {"other options", "size (8 there, 9 asked for)"}, [&] { (void)pack(other); });
  put("pics/ant/10.png", png_of(sample_picture(20, 20, 3)));
  expect_error(ExitCode::usage, {"other inputs", "source"}, [this] { (void)pack(request_); });
}

TEST_F(PackPictures, ArraysWithOtherLabelsAreOtherInputs) {
  put("x.npy", images_npy(3));
  put("x_labels.npy", npy_of("|u1", "(3,)", "\1\2\3"));
  request_ = {};
  request_.inputs = {dir_ / "x.npy"};
  request_.out = dir_ / "out/arrays";
  EXPECT_THAT(pack(request_), HasSubstr("packed: 3 samples"));
  EXPECT_THAT(pack(request_), HasSubstr("already packed: 3 samples"));
  put("x_labels.npy", npy_of("|u1", "(3,)", "\1\2\4"));
  expect_error(ExitCode::usage, {"other inputs"}, [&] { (void)pack(request_); });
}

// Both axes of channels are possible: 3 channels of 2 x 4, or 4 channels of 3 x 2.
TEST_F(PackPictures, ArraysMayNeedALayout) {
  std::string values;
  for (int i = 0; i < 24; ++i) values += static_cast<char>(i);
  put("x.npy", npy_of("|u1", "(1, 3, 2, 4)", values));
  request_.size = 0;
  request_.inputs = {dir_ / "x.npy"};
  expect_error(ExitCode::data, {"set data.layout", "--layout"}, [this] { (void)pack(request_); });
  request_.layout = "NCHW";
  EXPECT_THAT(pack(request_), ::testing::StartsWith("packed: 1 samples of 3x2x4"));
  EXPECT_THAT(pack(request_), ::testing::StartsWith("already packed"));
  request_.layout = "NHWC";
  expect_error(ExitCode::usage, {"other options", "channels_last"}, [this] { (void)pack(request_); });
  request_.out = dir_ / "out/last";
  EXPECT_THAT(pack(request_), ::testing::StartsWith("packed: 1 samples of 4x3x2"));
  std::vector<std::byte> image(24);
  read_only_field(*open_mds(request_.out), 0, image);
  EXPECT_EQ(std::to_integer<int>(image[1]), 4);  // the first channel of the second column
}

TEST_F(PackPictures, LayoutsAreForArrays) {
  request_.layout = "NHWC";
  expect_error(ExitCode::usage, {"data.layout"}, [this] { (void)pack(request_); });
  write_bytes(dir_ / "images-idx3-ubyte", "");
  request_ = {};
  request_.inputs = {dir_ / "images-idx3-ubyte"};
  request_.out = dir_ / "out/idx";
  request_.layout = "NHWC";
  expect_error(ExitCode::usage, {"--layout is for .npy"}, [this] { (void)pack(request_); });
}

TEST_F(PackPictures, SplitsMayBeLinks) {
  fs::rename(dir_ / "pics", dir_ / "elsewhere");
  for (const char* split : {"train", "test"}) {
    fs::create_directories(dir_ / "pics");
    fs::create_directory_symlink(dir_ / "elsewhere", dir_ / "pics" / split);
  }
  EXPECT_THAT(pack(request_), HasSubstr("packed: 12 samples"));
  EXPECT_THAT(pack(request_), HasSubstr("already packed: 12 samples"));
  put("elsewhere/bee/11.png", png_of(sample_picture(9, 9, 3)));
  expect_error(ExitCode::usage, {"other inputs"}, [&] { (void)pack(request_); });
}

TEST_F(PackPictures, ACropNeedsASize) {
  request_.size = 0;
  request_.crop = true;
  expect_error(ExitCode::usage, {"crop", "set size too"}, [&] { (void)pack(request_); });
}

TEST_F(PackPictures, PicturesOfSeveralSizesNeedOne) {
  request_.size = 0;
  expect_error(ExitCode::data, {"--size"}, [this] { (void)pack(request_); });
  EXPECT_FALSE(fs::exists(request_.out));
  EXPECT_TRUE(fs::is_empty(dir_ / "out"));
}

TEST_F(PackPictures, ADamagedPictureLeavesNothingBehind) {
  put("pics/bee/21.png", "no picture");
  expect_error(ExitCode::data, {"bee/21.png"}, [this] { (void)pack(request_); });
  EXPECT_TRUE(fs::is_empty(dir_ / "out"));
}

TEST_F(PackPictures, AnOutputWithinTheInputIsRefused) {
  request_.out = dir_ / "pics/packed";
  expect_error(ExitCode::usage, {"pics/packed lies in the input"}, [this] { (void)pack(request_); });
}

TEST_F(PackPictures, OptionsForOtherInputsAreRefused) {
  PackRequest labels = request_;
  labels.labels = "labels";
  expect_error(ExitCode::usage, {"--labels is for IDX files"}, [&] { (void)pack(labels); });
  PackRequest pad = request_;
  pad.pad = 32;
  expect_error(ExitCode::usage, {"--pad is for IDX files"}, [&] { (void)pack(pad); });
  PackRequest text = request_;
  text.tokenizer = "bytes";
  expect_error(ExitCode::usage, {"--size", "for pictures", "--tokenizer"}, [&] { (void)pack(text); });
  write_bytes(dir_ / "images", idx_images(3, 4, 4));
  PackRequest idx = request_;
  idx.inputs = {dir_ / "images"};
  expect_error(ExitCode::usage, {"--size", "--pad"}, [&] { (void)pack(idx); });
  idx.size = 0;
  idx.test_share = 0.1;
  expect_error(ExitCode::usage, {"--test-share"}, [&] { (void)pack(idx); });
  fs::create_directories(dir_ / "nothing");
  PackRequest empty = request_;
  empty.inputs = {dir_ / "nothing"};
  expect_error(ExitCode::data, {"nothing", "a folder of pictures"}, [&] { (void)pack(empty); });
}

// A file-size limit stands in for a full disk.
TEST_F(PackPictures, AWriteThatFailsIsAStorageErrorAndLeavesNothingBehind) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 0;
    try {
      (void)pack(request_);
    } catch (const Error& error) {
      code = static_cast<int>(error.code());
    }
    ::_exit(code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(ExitCode::storage));
  EXPECT_TRUE(fs::is_empty(dir_ / "out"));
}

// Killed after the first split, the next pack makes the second one.
TEST_F(PackPictures, AKilledPackIsCompletedByTheNext) {
  for (int i = 0; i < 100; ++i)
    put("pics/bee/x" + std::to_string(i) + ".png", png_of(sample_picture(8, 8, 3)));
  request_.test_share = 0.5;
  const int status = status_of_child([this] {
    (void)pack(request_, [](std::int64_t done, std::int64_t) {
      if (done >= 100) ::raise(SIGKILL);
    });
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(open_mds(request_.out / "train")->size(), 56);
  EXPECT_THROW((void)open_mds(request_.out / "test"), Error);
  const std::string text = pack(request_);
  EXPECT_THAT(text, HasSubstr("already packed: 56 samples"));
  EXPECT_THAT(text, HasSubstr("\npacked: 56 samples"));
  for (const auto& entry : fs::directory_iterator(request_.out))
    EXPECT_EQ(entry.path().filename().string().find("partial"), std::string::npos) << entry.path();
}

// A format of its own that can be a source needs nothing of MDS.
TEST_F(PackPictures, AnyFormatWithSplitsIsPacked) {
  Format counting = counting_format();
  counting.packer.reset();
  counting.recognizes = [](const fs::path& path) { return path.extension() == ".numbers"; };
  counting.texts.path = "a file of numbers";
  counting.splits = [](const DataConfig&) {
    return std::vector<SourceSplit>{{"train", {"label"}}, {"test", {"label"}}};
  };
  Formats formats = builtin_formats();
  formats.push_back(counting);
  write_bytes(dir_ / "a.numbers", "");
  PackRequest request;
  request.inputs = {dir_ / "a.numbers"};
  request.out = dir_ / "out/numbers";
  const std::string text = find_packer(formats, request).pack(request, formats, {});
  EXPECT_THAT(text, HasSubstr("samples with labels"));
  const auto dataset = open_mds(request.out / "test", {{"label"}});
  ASSERT_EQ(dataset->size(), 10);
  std::int64_t number = 0;
  read_only_field(*dataset, 4, std::as_writable_bytes(std::span(&number, 1)));
  EXPECT_EQ(number, DataConfig(formats).context + 4);
  request.size = 8;
  expect_error(ExitCode::usage, {"data.size", "data.format is pictures"},
               [&] { (void)find_packer(formats, request).pack(request, formats, {}); });
}

}  // namespace
}  // namespace ebb::data
