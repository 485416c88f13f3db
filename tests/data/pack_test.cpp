// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <array>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "data/mds/pack_idx.h"

namespace ebb::data {
namespace {

using namespace testing;

class Pack : public ::testing::Test {
 protected:
  void SetUp() override {
    write_gzip(dir_ / "images.gz", idx_images(100, 2, 3));
    write_bytes(dir_ / "labels", idx_labels(100));
  }
  [[nodiscard]] PackOptions options(const std::string& compression = "none") const {
    return {dir_ / "images.gz", dir_ / "labels", dir_ / "data/train", 1500, compression};
  }
  [[nodiscard]] std::vector<std::string> beside() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(dir_ / "data"))
      names.push_back(entry.path().filename().string());
    return names;
  }
  Scratch dir_;
};

TEST_F(Pack, ThePackedImagesAreTheInputs) {
  for (const char* compression : {"none", "zstd"}) {
    fs::remove_all(dir_ / "data");
    const PackResult result = pack_idx(options(compression), {});
    EXPECT_EQ(result.samples, 100);
    EXPECT_GT(result.shards, 1);
    EXPECT_FALSE(result.already_there);
    const auto dataset = open_mds(dir_ / "data/train");
    ASSERT_EQ(dataset->size(), 100);
    std::vector<std::byte> image(6);
    for (std::int64_t i = 0; i < 100; ++i) {
      read_only_field(*dataset, i, image);
      expect_pixels(image, i);
    }
    std::int64_t on_disk = 0;
    for (const auto& entry : fs::directory_iterator(dir_ / "data/train")) {
      const std::string name = entry.path().filename().string();
      if (name.starts_with("shard.")) on_disk += static_cast<std::int64_t>(entry.file_size());
    }
    EXPECT_EQ(result.bytes, on_disk);
    EXPECT_EQ(beside(), std::vector<std::string>{"train"});
  }
}

TEST_F(Pack, ImagesWithTheChannelsLastAreWrittenWithThemFirst) {
  std::string idx("\0\0\x08\x04\0\0\0\x01\0\0\0\x05\0\0\0\x06\0\0\0\x03", 20);
  for (int i = 0; i < 90; ++i) idx += static_cast<char>(i);
  write_bytes(dir_ / "colour", idx);
  PackOptions colour = options();
  colour.images = dir_ / "colour";
  colour.labels.clear();
  EXPECT_EQ(pack_idx(colour, {}).samples, 1);
  EXPECT_TRUE(pack_idx(colour, {}).already_there);
  const auto dataset = open_mds(dir_ / "data/train");
  EXPECT_EQ(dataset->spec(), core::SampleSpec{{core::image_field(3, 5, 6)}});
  std::vector<std::byte> image(90);
  read_only_field(*dataset, 0, image);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < 30; ++p) EXPECT_EQ(image[30 * c + p], std::byte(3 * p + c));
}

TEST_F(Pack, LabelsMayBeLeftOut) {
  PackOptions without = options();
  without.labels.clear();
  EXPECT_EQ(pack_idx(without, {}).samples, 100);
  EXPECT_EQ(inspect(builtin_formats(), without.out).find("label "), std::string::npos);
}

TEST_F(Pack, AnInputNameThatIsNoUtf8IsPacked) {
  write_gzip(dir_ / "caf\xe9.gz", idx_images(100, 2, 3));
  PackOptions latin = options();
  latin.images = dir_ / "caf\xe9.gz";
  EXPECT_EQ(pack_idx(latin, {}).samples, 100);
  EXPECT_TRUE(pack_idx(latin, {}).already_there);
}

TEST_F(Pack, ASecondRunReportsTheExistingResult) {
  const PackResult first = pack_idx(options(), {});
  const auto written = fs::last_write_time(dir_ / "data/train/index.json");
  PackOptions with_slash = options();
  with_slash.out += "/";
  for (const PackOptions& again : {options(), with_slash}) {
    const PackResult second = pack_idx(again, {});
    EXPECT_TRUE(second.already_there);
    EXPECT_EQ(second.samples, first.samples);
    EXPECT_EQ(second.shards, first.shards);
    EXPECT_EQ(second.bytes, first.bytes);
  }
  EXPECT_EQ(fs::last_write_time(dir_ / "data/train/index.json"), written);
}

TEST_F(Pack, OtherInputsOrOptionsAreRefused) {
  (void)pack_idx(options(), {});
  expect_error(ExitCode::usage, {"compression", "none", "zstd"},
               [this] { (void)pack_idx(options("zstd"), {}); });
  PackOptions padded = options();
  padded.out = dir_ / "data/padded";
  padded.pad = 4;
  (void)pack_idx(padded, {});
  padded.pad = 0;
  expect_error(ExitCode::usage, {"pad (4 there, not asked for)"}, [&] { (void)pack_idx(padded, {}); });
  write_gzip(dir_ / "images.gz", idx_images(101, 2, 3));
  expect_error(ExitCode::usage, {"other inputs", "images"}, [this] { (void)pack_idx(options(), {}); });
}

TEST_F(Pack, ADamagedResultIsRefused) {
  (void)pack_idx(options(), {});
  fs::remove(dir_ / "data/train/shard.00001.mds");
  expect_error(ExitCode::data, {"damaged now", "shard.00001.mds", "remove the folder"},
               [this] { (void)pack_idx(options(), {}); });
}

TEST_F(Pack, ADamagedRecordIsRefused) {
  (void)pack_idx(options(), {});
  const fs::path record = dir_ / "data/train/pack.json";
  const auto good = nlohmann::json::parse(std::ifstream(record));
  for (const auto& [key, value] : std::vector<std::pair<std::string, nlohmann::json>>{
           {"samples", "100"}, {"shards", -1}, {"bytes", 1e300}, {"index_xxh3_64", 5}}) {
    auto bad = good;
    bad[key] = value;
    std::ofstream(record) << bad;
    expect_error(ExitCode::data, {"pack.json is damaged", "remove the folder"},
                 [this] { (void)pack_idx(options(), {}); });
  }
}

TEST_F(Pack, AFolderThatHoldsSomethingElseIsLeftAlone) {
  fs::create_directories(dir_ / "data/train");
  write_bytes(dir_ / "data/train/thesis.tex", "years of work");
  expect_error(ExitCode::usage, {"thesis.tex", "another folder"}, [this] { (void)pack_idx(options(), {}); });
  EXPECT_EQ(read_bytes(dir_ / "data/train/thesis.tex"), "years of work");
  fs::remove(dir_ / "data/train/thesis.tex");
  EXPECT_FALSE(pack_idx(options(), {}).already_there);  // an empty folder counts as none
}

TEST_F(Pack, AnOutThatIsAFileIsRefused) {
  fs::create_directories(dir_ / "data");
  write_bytes(dir_ / "data/train", "x");
  expect_error(ExitCode::usage, {"not a folder"}, [this] { (void)pack_idx(options(), {}); });
}

TEST_F(Pack, AFolderThatCannotBeMadeIsAStorageError) {
  write_bytes(dir_ / "data", "a file where a folder is wanted");
  expect_error(ExitCode::storage, {"data"}, [this] { (void)pack_idx(options(), {}); });
}

// A file-size limit stands in for a full disk: the write fails in the middle of the first shard.
TEST_F(Pack, AWriteThatFailsIsAStorageErrorAndLeavesNothingBehind) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{1000, 1000};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    int code = 0;
    try {
      (void)pack_idx(options(), {});
    } catch (const Error& error) {
      const bool named = std::string(error.what()).find("shard.00000.mds") != std::string::npos;
      code = named ? static_cast<int>(error.code()) : 100;
    }
    ::_exit(code);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), static_cast<int>(ExitCode::storage));
  EXPECT_EQ(beside(), std::vector<std::string>{});
}

TEST_F(Pack, InputsThatDoNotFitTogether) {
  write_bytes(dir_ / "labels", idx_labels(99));
  expect_error(ExitCode::data, {"labels", "99 items", "100 images"},
               [this] { (void)pack_idx(options(), {}); });
  write_bytes(dir_ / "labels", idx_images(100, 2, 3));
  expect_error(ExitCode::data, {"labels", "3 dimensions"}, [this] { (void)pack_idx(options(), {}); });
  PackOptions swapped = options();
  std::swap(swapped.images, swapped.labels);
  write_bytes(dir_ / "labels", idx_labels(100));
  expect_error(ExitCode::data, {"1 dimensions"}, [&] { (void)pack_idx(swapped, {}); });
}

TEST_F(Pack, ADamagedInputLeavesNothingBehind) {
  const std::string whole = read_bytes(dir_ / "images.gz");
  write_bytes(dir_ / "images.gz", whole.substr(0, whole.size() - 20));
  expect_error(ExitCode::data, {"images.gz"}, [this] { (void)pack_idx(options(), {}); });
  EXPECT_EQ(beside(), std::vector<std::string>{});
}

TEST_F(Pack, RefusesImpossibleOptions) {
  expect_error(ExitCode::usage, {"'lz4'", "none or zstd"}, [this] { (void)pack_idx(options("lz4"), {}); });
  PackOptions huge = options();
  huge.shard_bytes = std::int64_t{5} << 30;
  expect_error(ExitCode::usage, {"32 bits"}, [&] { (void)pack_idx(huge, {}); });
}

TEST_F(Pack, AKilledPackLeavesNothingThatOpensAndTheNextCleansUp) {
  write_gzip(dir_ / "images.gz", idx_images(5000, 2, 3));
  write_bytes(dir_ / "labels", idx_labels(5000));
  const int status = status_of_child([this] {
    (void)pack_idx(options(), [](std::int64_t done, std::int64_t) {
      if (done >= 2000) ::raise(SIGKILL);
    });
  });
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto left = beside();
  ASSERT_EQ(left.size(), 1U);
  EXPECT_TRUE(left[0].starts_with("train.partial.")) << left[0];
  EXPECT_THROW((void)open_mds(dir_ / "data" / left[0]), Error);
  EXPECT_THROW((void)open_mds(dir_ / "data/train"), Error);

  EXPECT_EQ(pack_idx(options(), {}).samples, 5000);
  EXPECT_EQ(beside(), std::vector<std::string>{"train"});
}

TEST_F(Pack, APartialFolderOfALivingProcessIsLeftAlone) {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  const std::string name =
      "data/train.partial." + std::string(host.data()) + "." + std::to_string(::getppid());
  fs::create_directories(dir_ / name);
  (void)pack_idx(options(), {});
  EXPECT_TRUE(fs::exists(dir_ / name));
}

TEST_F(Pack, ProgressEndsAtTheTotal) {
  std::int64_t last = -1;
  std::int64_t total = 0;
  (void)pack_idx(options(), [&](std::int64_t done, std::int64_t all) {
    EXPECT_GT(done, last);
    last = done;
    total = all;
  });
  EXPECT_EQ(last, 100);
  EXPECT_EQ(total, 100);
}

TEST_F(Pack, InspectDescribesTheSplit) {
  for (const char* compression : {"none", "zstd"}) {
    fs::remove_all(dir_ / "data");
    (void)pack_idx(options(compression), {});
    const std::string text = inspect(builtin_formats(), dir_ / "data/train");
    for (const char* part : {"samples      100", "mds, version 2", "image", "ndarray:uint8:1,2,3", "label",
                             "xxh3_64", "images.gz, labels", compression}) {
      EXPECT_NE(text.find(part), std::string::npos) << part << " is not in\n" << text;
    }
  }
}

TEST_F(Pack, VerifyReadsEverything) {
  for (const char* compression : {"none", "zstd"}) {
    fs::remove_all(dir_ / "data");
    (void)pack_idx(options(compression), {});
    std::int64_t last = -1;
    const std::string line = verify(builtin_formats(), dir_ / "data/train",
                                    [&last](std::int64_t done, std::int64_t) { last = done; });
    EXPECT_NE(line.find("is intact: 100 samples"), std::string::npos) << line;
    EXPECT_EQ(line.find('\n'), std::string::npos);
    EXPECT_EQ(last, 100);
  }
}

// The published files, if Debian's package is installed.
TEST(PackFashionMnist, TheTestSplitHasTenThousandImages) {
  const fs::path source = "/usr/share/datasets/fashion-mnist";
  if (!fs::exists(source)) GTEST_SKIP() << "dataset-fashion-mnist is not installed";
  Scratch dir;
  PackOptions options;
  options.images = source / "t10k-images-idx3-ubyte.gz";
  options.labels = source / "t10k-labels-idx1-ubyte.gz";
  options.out = dir / "test";
  options.compression = "zstd";
  EXPECT_EQ(pack_idx(options, {}).samples, 10000);
  const auto dataset = open_mds(dir / "test");
  EXPECT_EQ(dataset->size(), 10000);
  EXPECT_EQ(dataset->spec(), (core::SampleSpec{{core::image_field(1, 28, 28)}}));
  // The first of its labels is 9, an ankle boot.
  const std::string text = inspect(builtin_formats(), dir / "test");
  EXPECT_NE(text.find(" 9\n"), std::string::npos) << text;
}

}  // namespace
}  // namespace ebb::data
