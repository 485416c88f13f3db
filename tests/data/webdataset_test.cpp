// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include <array>

#include "data/format_fixture.h"
#include "data/picture_files.h"
#include "data/tar_files.h"
#include "data/webdataset/names.h"

namespace ebb::data {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string sample(const std::string& key, int value, const std::string& label) {
  return tar_file(key + ".cls", label) + tar_file(key + ".png", square_png(4, value));
}

class WebDatasets : public FormatTest {
 protected:
  [[nodiscard]] DataConfig config() const { return config_of("set", "webdataset"); }
  [[nodiscard]] std::unique_ptr<Dataset> open(const std::string& split = "",
                                              std::vector<std::string> fields = {"image", "label"}) const {
    return open_split(config(), split, std::move(fields));
  }
  // The first value of each image, and the label.
  static std::vector<std::pair<int, std::int64_t>> all_of(Dataset& dataset) {
    std::vector<std::pair<int, std::int64_t>> all;
    std::vector<std::byte> image(static_cast<std::size_t>(dataset.spec().at("image").bytes()));
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      std::int64_t label = 0;
      const std::array<std::span<std::byte>, 2> out{image, std::as_writable_bytes(std::span(&label, 1))};
      dataset.read(i, out);
      all.emplace_back(std::to_integer<int>(image.front()), label);
    }
    return all;
  }
  void expect_refused(const std::string& archive, const std::vector<std::string>& words) const {
    put("set/a.tar", archive + kTarEnd);
    expect_error(ExitCode::data, words, [&] { (void)open(); });
  }
};

TEST(WebDatasetNames, AKeyEndsAtTheFirstDotOfTheFilesName) {
  const auto part = [](const std::string& name, char type = '0') {
    std::string_view skipped;
    const auto found = part_name({name, 512, 0, type}, skipped);
    return found ? found->key + " | " + found->suffix : std::string(skipped);
  };
  EXPECT_EQ(part("0001.jpg"), "0001 | jpg");
  EXPECT_EQ(part("./a.b/0001.Seg.PNG"), "./a.b/0001 | seg.png");
  EXPECT_EQ(part("0001."), "0001 | ");
  EXPECT_EQ(part("a.b/0001"), "names without a suffix");
  EXPECT_EQ(part("a/.DS_Store"), "hidden files");
  EXPECT_EQ(part("._0001.jpg"), "hidden files");
  EXPECT_EQ(part("__info__"), "__meta__ files");
  EXPECT_EQ(part("__info__/a.json"), "__meta__ files");
  EXPECT_EQ(part("__info__.json"), "__info__ | json");
  EXPECT_EQ(part("a/__info__.json"), "a/__info__ | json");
  EXPECT_EQ(part("a.jpg", '5'), "folders");
  EXPECT_EQ(part("a.jpg", '2'), "links");
  EXPECT_EQ(part("a.jpg", '3'), "devices and others");
}

TEST_F(WebDatasets, SamplesFollowTheOrderOfNamesAndOfTheArchive) {
  put("set/b.tar", sample("1", 30, "7") + kTarEnd);
  put("set/B.tar", sample("2", 10, " 8\n") + tar_file("dir/", "", '5') + sample("1", 20, "+9") + kTarEnd);
  put("set/empty.tar", kTarEnd);
  const auto dataset = open();
  EXPECT_EQ(dataset->spec(), (core::SampleSpec{{core::image_field(3, 4, 4), core::label_field()}}));
  EXPECT_THAT(all_of(*dataset), ElementsAre(std::pair(10, 8), std::pair(20, 9), std::pair(30, 7)));
  EXPECT_EQ(dataset->cache_bytes(), 3 * 20);
  EXPECT_EQ(dataset->written_cache_bytes(), 3 * 20);
  EXPECT_EQ(open("", {"image"})->cache_bytes(), 3 * 12);
}

TEST_F(WebDatasets, AllMemoryOfTheIndexIsTheAllocators) {
  put("set/a.tar", sample("1", 1, "1") + sample("2", 2, "2") + kTarEnd);
  put("set/b.tar", sample("1", 3, "3") + kTarEnd);
  std::int64_t taken = 0;
  SplitRequest request{"", {"image", "label"}};
  request.allocate = [&taken](std::size_t bytes, const char* purpose) {
    EXPECT_STREQ(purpose, "tar index");
    taken += static_cast<std::int64_t>(bytes);
    return allocate_on_heap(bytes, purpose);
  };
  EXPECT_EQ(config().entry().open(config(), request)->cache_bytes(), taken);
  EXPECT_EQ(taken, 60);
}

TEST_F(WebDatasets, SplitsAreFoldersOrPrefixesOrAShare) {
  const std::string many =
      sample("1", 1, "0") + sample("2", 2, "0") + sample("3", 3, "0") + sample("4", 4, "0");
  put("set/train/x.tar", many + kTarEnd);
  put("set/test/y.tar", sample("5", 5, "0") + kTarEnd);
  EXPECT_EQ(open("train")->size(), 4);
  EXPECT_THAT(all_of(*open("test")), ElementsAre(std::pair(5, 0)));
  fs::remove_all(dir_ / "set");
  put("set/train-0.tar", many + kTarEnd);
  put("set/test-0.tar", sample("6", 6, "0") + kTarEnd);
  put("set/val-0.tar", sample("7", 7, "0") + kTarEnd);
  EXPECT_EQ(open("train")->size(), 4);
  EXPECT_THAT(all_of(*open("test")), ElementsAre(std::pair(6, 0)));
  DataConfig shared = config();
  shared.test_share = 0.25;
  expect_error(ExitCode::usage, {"data.test_share", "of its own"},
               [&] { (void)shared.entry().open(shared, {"train", {"image"}}); });
  fs::remove(dir_ / "set/test-0.tar");
  expect_error(ExitCode::data,
               {"archives train-*.tar and val-0.tar, but no test-*.tar", "val-*.tar of other"},
               [&] { (void)shared.entry().open(shared, {"train", {"image"}}); });
  fs::remove(dir_ / "set/val-0.tar");
  expect_error(ExitCode::usage, {"data.test_share"}, [&] { (void)open("train"); });
  std::vector<int> both;
  for (const char* split : {"train", "test"})
    for (const auto& [value, label] : all_of(*shared.entry().open(shared, {split, {"image", "label"}})))
      both.push_back(value);
  EXPECT_THAT(both, ::testing::UnorderedElementsAre(1, 2, 3, 4));
  shared.source = dir_ / "set/train-0.tar";  // one archive
  EXPECT_EQ(shared.entry().open(shared, {"train", {"image"}})->size(), 3);
  fs::remove_all(dir_ / "set");
  put("set/train/x.tar", many + kTarEnd);
  expect_error(ExitCode::data, {"a folder train, but no folder test"}, [&] { (void)open("train"); });
}

TEST_F(WebDatasets, ASampleHasOneImageAndALabelOfDigits) {
  const std::string first = sample("0", 0, "0");
  expect_refused(first + tar_file("1.cls", "1") + tar_file("1.txt", "a cat"),
                 {"a.tar: the sample 1 has no image", "jpg, jpeg, png, webp, bmp", "it has cls, txt"});
  expect_refused(first + tar_file("1.jpg", "x") + tar_file("1.PNG", "x"),
                 {"the sample 1 has two images, jpg and png"});
  expect_refused(first + tar_file("1.png", "x") + tar_file("1.index", "1"),
                 {"the sample 1 has no label, the part cls", "it has png, index"});
  expect_refused(tar_file("1.png", "x") + tar_file("1.cls.pkl", "x"),
                 {"the sample 1 has no label, one of cls, cls2, index, inx, id", "pickles are never opened"});
  for (const char* label : {"", "cat", "1.5", "0x1", "--1", "+-1", "1 2", "9223372036854775808", "1_0"})
    expect_refused(tar_file("1.png", "x") + tar_file("1.cls", label),
                   {"the sample 1 has '" + std::string(label) + "' as cls", "an integer"});
  expect_refused(tar_file("1.png", "x") + tar_file("1.id", std::string(65, '1')), {"id of 65 bytes"});
  put("set/a.tar", sample("0", 0, "-3") + kTarEnd);
  EXPECT_EQ(all_of(*open())[0].second, -3);
  SplitRequest request{"", {"image", "label"}};
  request.classes = 2;
  expect_error(ExitCode::data, {"a.tar: the sample 0", "-3"},
               [&] { (void)config().entry().open(config(), request); });
  put("set/a.tar", kTarEnd);
  expect_error(ExitCode::data, {"a.tar holds no sample"}, [&] { (void)open(); });
}

TEST_F(WebDatasets, OtherPartsAreSkippedAndPicklesStayClosed) {
  put("set/a.tar", tar_file("1.pkl", "\x80\x04.") + tar_file("1.seg.png", "x") +
                       tar_file("1.png", square_png(4, 9)) + tar_file("1.id", "5") +
                       tar_file("1.index", "4") + tar_file("1.json", "{}") + tar_file("README", "x") +
                       kTarEnd);
  EXPECT_THAT(all_of(*open()), ElementsAre(std::pair(9, 4)));
  const std::string text = inspect(builtin_formats(), dir_ / "set");
  EXPECT_THAT(text, HasSubstr("samples      1\nshards       1, "));
  EXPECT_THAT(text, HasSubstr("pkl        1  3  a pickle, never opened"));
  EXPECT_THAT(text, HasSubstr("seg.png    1  1  not read"));
  EXPECT_THAT(text, HasSubstr("index      1  1  label"));
  EXPECT_THAT(text, HasSubstr("classes      1 (label, samples)\n  4          1\n"));
  EXPECT_THAT(text, HasSubstr("skipped      1 names without a suffix"));
}

TEST_F(WebDatasets, PartsOfASampleFollowEachOther) {
  expect_refused(tar_file("1.png", "x") + tar_file("1.PNG", "y"),
                 {"the sample 1 has the suffix png twice", "byte 1536"});
  expect_refused(tar_file("1.cls", "1") + tar_file("1.png", "x") + sample("2", 2, "2") +
                     tar_file("1.cls", "1") + tar_file("1.bmp", "y"),
                 {"the sample 1 comes back at byte", "--sort=name"});
  put("set/a.tar", sample("1", 1, "1") + kTarEnd);
  put("set/b.tar", sample("1", 2, "2") + kTarEnd);  // another archive, another sample
  EXPECT_EQ(open()->size(), 2);
}

TEST_F(WebDatasets, CompressedArchivesAreRefusedByName) {
  for (const auto& [name, command] :
       std::vector<std::pair<std::string, std::string>>{{"a.tar.gz", "gunzip"},
                                                        {"a.tgz", "gunzip"},
                                                        {"a.tar.zst", "unzstd"},
                                                        {"a.tar.bz2", "bunzip2"},
                                                        {"a.tar.xz", "unxz"}}) {
    fs::remove_all(dir_ / "set");
    put("set/" + name, "x");
    EXPECT_EQ(recognize(builtin_formats(), dir_ / "set")->name, "webdataset");
    expect_error(ExitCode::data, {name + " is compressed", command + " "}, [&] { (void)open(); });
  }
  write_gzip(dir_ / "set/a.tar", sample("1", 1, "1") + kTarEnd);
  fs::remove(dir_ / "set/a.tar.xz");
  expect_error(ExitCode::data, {"a.tar is packed by gzip", "gunzip"}, [&] { (void)open(); });
}

TEST_F(WebDatasets, VerifyingDecodesEveryImage) {
  const std::string whole = sample("1", 1, "1") + sample("2", 2, "2");
  put("set/train/a.tar", whole + kTarEnd);
  put("set/test/a.tar", sample("3", 3, "3") + kTarEnd);
  EXPECT_EQ(recognize(builtin_formats(), dir_ / "set")->name, "webdataset");
  EXPECT_THAT(verify(builtin_formats(), dir_ / "set", {}), HasSubstr("is intact: 3 samples in 2 shards"));
  std::string damaged = square_png(4, 2);
  damaged[damaged.size() - 20] ^= 1;
  put("set/train/a.tar", sample("1", 1, "1") + tar_file("2.cls", "2") + tar_file("2.png", damaged) + kTarEnd);
  expect_error(ExitCode::data, {"1 of the 3 images", "a.tar: 2.png"},
               [&] { (void)verify(builtin_formats(), dir_ / "set", {}); });
  put("set/train/a.tar", whole);  // cut short
  expect_error(ExitCode::data, {"without the marker"},
               [&] { (void)verify(builtin_formats(), dir_ / "set", {}); });
}

TEST_F(WebDatasets, AnArchiveThatChangesAfterItsOpeningIsNoticed) {
  put("set/a.tar", sample("1", 1, "1") + sample("2", 2, "2") + kTarEnd);
  const auto dataset = open();
  put("set/a.tar", sample("1", 1, "1").substr(0, 1024) + sample("0", 0, "0") + sample("2", 2, "2") + kTarEnd);
  expect_error(ExitCode::data, {"a.tar", "changed since it was indexed"}, [&] { (void)all_of(*dataset); });
}

TEST_F(WebDatasets, TheDigestKnowsTheLabelsAndTheLengthOfEachImage) {
  put("set/a.tar", sample("1", 1, "1") + sample("2", 2, "2") + kTarEnd);
  const std::string before = open()->digest();
  put("set/a.tar", tar_file("x/", "", '5') + sample("1", 1, "1") + kTarEnd);
  put("set/b.tar", sample("2", 2, "2") + kTarEnd);
  EXPECT_EQ(open()->digest(), before) << "where samples lie is no part of it";
  put("set/b.tar", sample("2", 2, "3") + kTarEnd);
  EXPECT_NE(open()->digest(), before);
}

// The index that wds2idx of DALI makes of two samples.
class DaliIndexes : public WebDatasets {
 protected:
  DaliIndexes() {
    archive_ = sample("a", 1, "1") + sample("b", 2, "2");
    image_ = std::to_string(square_png(4, 1).size());
    put("set/s.tar", archive_ + kTarEnd);
  }
  [[nodiscard]] std::string line(const std::string& key, std::int64_t begin) const {
    return "cls " + std::to_string(begin + 512) + " 1 " + key + ".cls png " + std::to_string(begin + 1536) +
           " " + image_ + " " + key + ".png\n";
  }
  [[nodiscard]] std::string whole() const {
    return "v1.2 2\n" + line("a", 0) + line("b", std::ssize(archive_) / 2);
  }
  void expect_index_refused(const std::string& index, const std::vector<std::string>& words) const {
    put("set/s.idx", index);
    expect_error(ExitCode::data, words, [&] { (void)all_of(*open()); });
  }
  std::string archive_, image_;
};

TEST_F(DaliIndexes, TheIndexOfDaliGivesTheSameSamples) {
  const auto by_headers = all_of(*open());
  put("set/s.idx", whole());
  EXPECT_EQ(all_of(*open()), by_headers);
  EXPECT_THAT(inspect(builtin_formats(), dir_ / "set"), HasSubstr("indexes      1 of DALI"));
  EXPECT_THAT(verify(builtin_formats(), dir_ / "set", {}), HasSubstr("is intact"));
  put("set/s.idx", "v1.2 1\n" + line("b", std::ssize(archive_) / 2));
  EXPECT_THAT(all_of(*open()), ElementsAre(std::pair(2, 2))) << "the headers were read instead";
}

TEST_F(DaliIndexes, AnIndexThatDoesNotFitItsArchiveIsRefused) {
  expect_index_refused("", {"s.idx: line 0 is not 'v1.2 SAMPLES'"});
  expect_index_refused("v1.1 2\n" + line("a", 0), {"s.idx: line 1 is not 'v1.2 SAMPLES'"});
  expect_index_refused("v1.2 3\n" + whole().substr(7),
                       {"line 3 is the last, of 2 samples, but the first line has 3"});
  expect_index_refused("v1.2 1\n" + line("a", 0), {"line 2 is the last, but", "goes on with b.cls"});
  expect_index_refused("v1.2 1\ncls 512 1 a b.cls\n", {"line 2 gives the suffix 'cls' to a (", "spaces"});
  expect_index_refused("v1.2 1\ncls 512\n", {"line 2 is not SUFFIX OFFSET SIZE NAME"});
  expect_index_refused("v1.2 1\ncls -512 1 a.cls\n", {"line 2 is not SUFFIX OFFSET SIZE NAME"});
  expect_index_refused("v1.2 1\npng 512 1 a.cls\n", {"line 2 gives the suffix 'png' to a.cls"});
  expect_index_refused("v1.2 1\ncls 513 1 a.cls\n", {"line 2 has the offset 513"});
  expect_index_refused("v1.2 1\ncls 0 1 a.cls\n", {"line 2 has the offset 0"});
  expect_index_refused("v1.2 1\ncls 512 99999 a.cls\n",
                       {"line 2 has 99999 bytes at byte 512, but", "s.tar has"});
  expect_index_refused("v1.2 2\n" + line("b", std::ssize(archive_) / 2) + line("a", 0),
                       {"line 3 has the offset 512"});
  // No header precedes the offset of an image, or one of another length.
  std::string shifted = whole();
  shifted.replace(shifted.rfind(image_), image_.size(), std::to_string(square_png(4, 1).size() - 1));
  expect_index_refused(shifted, {"s.tar: byte", "its .idx file belongs to another one"});
  put("set/s.idx", shifted);
  expect_error(ExitCode::data, {"s.idx does not fit", "wds2idx"},
               [&] { (void)verify(builtin_formats(), dir_ / "set", {}); });
}

}  // namespace
}  // namespace ebb::data
