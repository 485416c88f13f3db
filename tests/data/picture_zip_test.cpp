// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>

#include "data/format_fixture.h"
#include "data/picture_files.h"
#include "data/zip_files.h"

namespace ebb::data {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

// As dataset_tool.py of StyleGAN and EDM writes it: stored pictures in folders that are no classes.
std::vector<ZipMember> style_gan(const std::string& labels) {
  std::vector<ZipMember> members;
  for (const int i : {2, 0, 3, 1})
    members.push_back(
        {"0000" + std::to_string(i / 2) + "/img0000000" + std::to_string(i) + ".png", square_png(2, 10 * i)});
  members.push_back({"dataset.json", "{\"labels\": " + labels + "}"});
  return members;
}
constexpr const char* kLabels =
    R"([["00001/img00000002.png", 7], ["00000/img00000000.png", 5], ["00000/img00000001.png", 6],
        ["00001/img00000003.png", 8]])";

class PictureZips : public FormatTest {
 protected:
  void put(const std::string& name, const std::vector<ZipMember>& members) const {
    FormatTest::put(name, zip_of(members));
  }
  [[nodiscard]] DataConfig config(const std::string& source) const { return recognized(source, "pictures"); }
  static std::unique_ptr<Dataset> open(const DataConfig& config, const std::string& split,
                                       std::vector<std::string> fields) {
    return open_split(config, split, std::move(fields));
  }
  void expect_no_labels(const std::string& json, const std::vector<std::string>& words) const {
    put("bad.zip", style_gan(json));
    expect_error(ExitCode::data, words, [&] { (void)open(config("bad.zip"), "", {"label"}); });
  }
};

TEST_F(PictureZips, OfStyleGanAreReadInTheOrderOfNamesWithTheirLabels) {
  put("a.zip", style_gan(kLabels));
  const DataConfig read = config("a.zip");
  EXPECT_THAT(first_values(*open(read, "", {"image"})), ElementsAre(0, 10, 20, 30));
  EXPECT_THAT(labels_of(*open(read, "", {"label"})), ElementsAre(5, 6, 7, 8));
  EXPECT_EQ(read.entry().splits(read)[0].fields, (std::vector<std::string>{"image", "label"}));
  EXPECT_THAT(inspect(builtin_formats(), dir_ / "a.zip"),
              AllOf(HasSubstr("pictures     4"), HasSubstr("PNG, 2 x 2"),
                    HasSubstr("4 classes, of dataset.json"), HasSubstr("5: 1, 6: 1")));
  EXPECT_THAT(verify(builtin_formats(), dir_ / "a.zip", {}), HasSubstr("is intact: 4 pictures"));
  expect_error(ExitCode::data, {"a.zip, entry 00001/img00000003.png", "label 8", "model.classes"},
               [&] { (void)read.entry().open(read, {"", {"label"}, 0, 8}); });
}

TEST_F(PictureZips, PackedWithTheirOuterFolderHaveNoClasses) {
  put("outer.zip", {{"P/ant/0.png", square_png(2, 0)}, {"P/bee/0.png", square_png(2, 10)}});
  const DataConfig read = config("outer.zip");
  EXPECT_THAT(first_values(*open(read, "", {"image"})), ElementsAre(0, 10));
  expect_error(ExitCode::data, {"outer.zip", "P would be the only class", "cd P && zip -r"},
               [&] { (void)open(read, "", {"label"}); });
}

TEST_F(PictureZips, WhoseSplitsHaveOtherLabelsAreRefused) {
  put("splits/train.zip", style_gan(kLabels));
  put("splits/test.zip", {{"00000/a.png", square_png(2, 0)}, {"00001/b.png", square_png(2, 10)}});
  const DataConfig read = config("splits");
  EXPECT_THAT(labels_of(*open(read, "train", {"label"})), ElementsAre(5, 6, 7, 8));
  expect_error(ExitCode::data, {"train.zip", "test.zip", "labels in different ways", "dataset.json"},
               [&] { (void)open(read, "test", {"label"}); });
}

TEST_F(PictureZips, WithoutLabelsTheFoldersAreNoClasses) {
  put("a.zip", style_gan("null"));
  const DataConfig read = config("a.zip");
  EXPECT_THAT(first_values(*open(read, "", {"image"})), ElementsAre(0, 10, 20, 30));
  EXPECT_EQ(read.entry().splits(read)[0].fields, (std::vector<std::string>{"image"}));
  expect_error(ExitCode::data, {"a.zip has no labels", "dataset.json"},
               [&] { (void)open(read, "", {"label"}); });
}

TEST_F(PictureZips, AreReadLikeTheFolderThatTheyWereMadeOf) {
  std::vector<ZipMember> members = {
      {"__MACOSX/a/1.png", "no picture"}, {"a/.hidden.png", "no picture"}, {"notes.txt", "text"}};
  for (const char* const name : {"bee/2.png", "a-b/1.png", "a/9.png", "a/10.png", "a/sub/1.png"}) {
    const std::string bytes = square_png(4, static_cast<int>(members.size()) * 9);
    fs::create_directories((dir_ / "pics" / name).parent_path());
    write_bytes(dir_ / "pics" / name, bytes);
    members.push_back({name, bytes, true});
  }
  put("pics.zip", members);
  DataConfig folder = config("pics"), zip = config("pics.zip");
  for (DataConfig* const each : {&folder, &zip}) {
    each->pictures.size = 3;
    each->test_share = 0.4;
  }
  for (const char* const split : {"train", "test"}) {
    EXPECT_EQ(first_values(*open(folder, split, {"image"})), first_values(*open(zip, split, {"image"})));
    EXPECT_EQ(labels_of(*open(folder, split, {"label"})), labels_of(*open(zip, split, {"label"})));
  }
  EXPECT_THAT(labels_of(*open(zip, "", {"label"})), ElementsAre(1, 0, 0, 0, 2));  // a-b, a, a, a, bee
}

TEST_F(PictureZips, OfASplitHaveTheClassesOfTraining) {
  put("two/train.zip",
      {{"ant/1.png", square_png(2, 1)}, {"bee/1.png", square_png(2, 2)}, {"cow/1.png", square_png(2, 3)}});
  put("two/test.zip", {{"bee/1.png", square_png(2, 4)}, {"cow/1.png", square_png(2, 5)}});
  EXPECT_THAT(labels_of(*open(config("two"), "train", {"label"})), ElementsAre(0, 1, 2));
  EXPECT_THAT(labels_of(*open(config("two"), "test", {"label"})), ElementsAre(1, 2));
  DataConfig shared = config("two");
  shared.test_share = 0.5;
  expect_error(ExitCode::usage, {"has a test split of its own"},
               [&] { (void)open(shared, "train", {"image"}); });
  put("two/test.zip", {{"dog/1.png", square_png(2, 4)}});
  expect_error(ExitCode::data, {"test.zip, entry dog/1.png", "no class of the training split"},
               [&] { (void)open(config("two"), "test", {"label"}); });
  put("half/train.zip", {{"1.png", square_png(2, 1)}});
  expect_error(ExitCode::data, {"has train.zip, but no test.zip"},
               [&] { (void)open(config("half"), "train", {"image"}); });
  put("one.zip", {{"train/1.png", square_png(2, 1)}, {"test/1.png", square_png(2, 1)}});
  expect_error(ExitCode::data, {"folders train and test", "train.zip and test.zip"},
               [&] { (void)open(config("one.zip"), "", {"image"}); });
}

TEST_F(PictureZips, LabelsThatDoNotFitAreRefused) {
  expect_no_labels("3", {"dataset.json", "neither a list nor null"});
  expect_no_labels("[3]", {"labels[0] is not [NAME, CLASS]"});
  expect_no_labels(R"([["x.png", 1]])", {"labels[0] is of x.png", "no picture of the archive"});
  expect_no_labels(R"([["dataset.json", 1]])", {"no picture of the archive"});
  expect_no_labels(R"([["00000/img00000000.png", 1.5]])", {"no number from 0 on"});
  expect_no_labels(R"([["00000/img00000000.png", -1]])", {"no number from 0 on"});
  expect_no_labels(R"([["00000/img00000000.png", [0.1, 0.2]]])", {"other labels are not read"});
  expect_no_labels(R"([["00000/img00000000.png", 1], ["00000/img00000000.png", 1]])", {"has two labels"});
  expect_no_labels(R"([["00000/img00000000.png", 1]])", {"00000/img00000001.png has no label"});
  expect_no_labels("[", {"it is not JSON"});
}

TEST_F(PictureZips, NameADamagedPicture) {
  std::vector<ZipMember> members = style_gan(kLabels);
  members[1].change = [](std::string&, std::string&, std::string& packed) { packed[packed.size() / 2] ^= 1; };
  put("a.zip", members);
  DataConfig read = config("a.zip");
  read.pictures.size = 2;
  const auto dataset = open(read, "", {"image"});
  std::vector<std::byte> image(12);
  read_only_field(*dataset, 1, image);
  expect_error(ExitCode::data, {"a.zip, entry 00000/img00000000.png", "CRC-32"},
               [&] { read_only_field(*dataset, 0, image); });
  expect_error(ExitCode::data, {"1 of the 4 pictures", "00000/img00000000.png"},
               [&] { (void)verify(builtin_formats(), dir_ / "a.zip", {}); });
  put("b.zip", {{"1.png", square_png(2, 1)}, {"2.png", square_png(3, 1)}});
  const auto mixed = open(config("b.zip"), "", {"image"});
  expect_error(ExitCode::data, {"entry 2.png has 3 x 3", "data.size"},
               [&] { read_only_field(*mixed, 1, image); });
  put("c.zip", {{"readme.txt", "1"}});
  expect_error(ExitCode::data, {"c.zip holds no picture"},
               [&] { (void)open(config("c.zip"), "", {"image"}); });
}

TEST_F(PictureZips, TheirMemoryIsCounted) {
  put("a.zip", style_gan(kLabels));
  const DataConfig read = config("a.zip");
  std::int64_t taken = 0;
  const auto dataset =
      read.entry().open(read, {"", {"image", "label"}, 0, {}, [&](std::size_t bytes, const char* purpose) {
                                 taken += static_cast<std::int64_t>(bytes);
                                 return allocate_on_heap(bytes, purpose);
                               }});
  EXPECT_EQ(dataset->cache_bytes(), taken);
  EXPECT_EQ(taken, 5 * 48 + 4 * std::ssize(std::string("00000/img00000000.png")) + 12 + 4 * (8 + 8));
}

}  // namespace
}  // namespace ebb::data
