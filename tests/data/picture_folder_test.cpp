// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <map>
#include <tuple>

#include "data/format_fixture.h"
#include "data/picture_files.h"
#include "data/picture_folder/dataset.h"
#include "data/picture_folder/list.h"

namespace ebb::data {
namespace {

using namespace testing;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class PictureFolders : public FormatTest {
 protected:
  [[nodiscard]] DataConfig config() const { return config_of("pics", "pictures"); }
  static std::unique_ptr<Dataset> open(const DataConfig& config, const std::string& split,
                                       std::vector<std::string> fields = {"image"}) {
    return open_split(config, split, std::move(fields));
  }
};

TEST_F(PictureFolders, PicturesAreNumberedByTheirPathsInBytewiseOrder) {
  // '-' sorts before '/', and upper case before lower case.
  for (const auto& [name, value] : std::map<std::string, int>{
           {"a/1.png", 3}, {"a-b/1.png", 2}, {"B/x.png", 1}, {"a/deep/2.PNG", 4}, {"b.bmp.png", 5}})
    put("pics/" + name, square_png(4, value));
  const auto dataset = open(config(), "");
  EXPECT_EQ(dataset->spec(), core::SampleSpec{{core::image_field(3, 4, 4)}});
  EXPECT_THAT(first_values(*dataset), ElementsAre(1, 2, 3, 4, 5));
}

TEST_F(PictureFolders, ASampleHasItsChannelsFirst) {
  const Picture picture = sample_picture(4, 6, 3);
  put("pics/a.png", png_of(picture));
  const auto dataset = open(config(), "");
  ASSERT_EQ(dataset->spec(), core::SampleSpec{{core::image_field(3, 4, 6)}});
  std::vector<std::byte> image(72);
  read_only_field(*dataset, 0, image);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < 24; ++p) EXPECT_EQ(image[24 * c + p], picture.pixels[3 * p + c]);
}

TEST_F(PictureFolders, EveryPictureGetsTheSizeAndTheChannelsOfTheKeys) {
  put("pics/a.png", square_png(9, 100));
  put("pics/b.jpg", jpeg_of(sample_picture(30, 20, 1)));
  put("pics/c.webp", webp_of(sample_picture(5, 5, 4)));
  for (const std::int64_t channels : {1, 3, 4}) {
    DataConfig sized = config();
    sized.pictures.size = 8;
    sized.pictures.channels = channels;
    const auto dataset = open(sized, "");
    EXPECT_EQ(dataset->spec(), core::SampleSpec{{core::image_field(channels, 8, 8)}});
    EXPECT_EQ(first_values(*dataset).size(), 3U);
  }
}

TEST_F(PictureFolders, CroppingUsesTheMiddleSquare) {
  Picture wide{4, 12, 1, std::vector<std::byte>(48)};  // black, white, black
  for (std::size_t i = 0; i < 48; ++i) wide.pixels[i] = static_cast<std::byte>(i % 12 / 4 == 1 ? 255 : 0);
  put("pics/a.png", png_of(wide));
  DataConfig sized = config();
  sized.pictures = {4, true, 1};
  EXPECT_THAT(first_values(*open(sized, "")), ElementsAre(255));
  sized.pictures.crop = false;
  EXPECT_NEAR(first_values(*open(sized, ""))[0], 0, 40);
}

TEST_F(PictureFolders, WithoutASizeTheFirstPictureThatDiffersIsNamed) {
  put("pics/a.png", square_png(4, 1));
  put("pics/b.png", png_of(sample_picture(6, 5, 3)));
  const auto dataset = open(config(), "");
  EXPECT_EQ(dataset->size(), 2);
  expect_error(ExitCode::data, {"b.png has 5 x 6 pixels", "a.png has 4 x 4", "data.size", "--size"},
               [&] { (void)first_values(*dataset); });
}

TEST_F(PictureFolders, ClassesAreNumberedByTheFoldersOfTheTrainingSplit) {
  for (const char* name : {"train/cat/1.png", "train/ant/1.png", "train/cat/2.png", "train/bee/1.png",
                           "test/cat/1.png", "test/bee/1.png"})
    put(std::string("pics/") + name, square_png(4, 0));
  EXPECT_THAT(labels_of(*open(config(), "train", {"label"})), ElementsAre(0, 1, 2, 2));
  EXPECT_THAT(labels_of(*open(config(), "test", {"label"})), ElementsAre(1, 2));
  const auto both = open(config(), "test", {"label", "image"});
  EXPECT_EQ(both->spec(), (core::SampleSpec{{core::label_field(), core::image_field(3, 4, 4)}}));
}

TEST_F(PictureFolders, AClassOfTheTestSplitThatTrainingLacksIsNamed) {
  for (const char* name : {"train/cat/1.png", "test/cat/1.png", "test/dog/1.png"})
    put(std::string("pics/") + name, square_png(4, 0));
  expect_error(ExitCode::data, {"test", "class folder dog", "train lacks"},
               [this] { (void)open(config(), "test", {"label"}); });
  EXPECT_EQ(open(config(), "test")->size(), 2);  // without labels it does not matter
}

TEST_F(PictureFolders, LabelsThatCannotBeGivenAreRefused) {
  put("pics/train/cat/1.png", square_png(4, 0));
  put("pics/test/cat/1.png", square_png(4, 0));
  fs::create_directories(dir_ / "pics/train/dog");
  expect_error(ExitCode::data, {"train/dog holds no picture"},
               [this] { (void)open(config(), "train", {"label"}); });
  put("pics/train/dog/1.png", square_png(4, 0));
  expect_error(ExitCode::data, {"class folder dog", "label 1", "from 0 to 0", "model.classes"},
               [this] { (void)config().entry().open(config(), {"train", {"label"}, 0, 1}); });
  put("pics/train/stray.png", square_png(4, 0));
  expect_error(ExitCode::data, {"train/stray.png lies in no class folder", "label"},
               [this] { (void)open(config(), "train", {"label"}); });
}

TEST_F(PictureFolders, AShareOfTheFolderIsTheTestSplit) {
  for (int i = 0; i < 20; ++i) put("pics/" + std::to_string(100 + i) + ".png", square_png(4, i));
  DataConfig shared = config();
  shared.test_share = 0.2;
  const auto train = open(shared, "train"), test = open(shared, "test");
  EXPECT_EQ(train->size(), 16);
  EXPECT_EQ(test->size(), 4);
  std::vector<int> all = first_values(*train);
  for (const int value : first_values(*test)) all.push_back(value);
  std::ranges::sort(all);
  std::vector<int> every(20);
  for (int i = 0; i < 20; ++i) every[static_cast<std::size_t>(i)] = i;
  EXPECT_EQ(all, every);
  EXPECT_EQ(first_values(*open(shared, "test")), first_values(*test));
  expect_error(ExitCode::usage, {"pics is not divided", "data.test_share"},
               [this] { (void)open(config(), "train"); });
}

TEST_F(PictureFolders, AShareOfASourceWithSplitsAndASingleSplitAreRefused) {
  put("pics/train/1.png", square_png(4, 0));
  expect_error(ExitCode::data, {"has a folder train, but no folder test"},
               [this] { (void)open(config(), "train"); });
  put("pics/test/1.png", square_png(4, 0));
  DataConfig shared = config();
  shared.test_share = 0.2;
  expect_error(ExitCode::usage, {"data.test_share is 0.2", "test split of its own"},
               [&shared] { (void)open(shared, "train"); });
}

TEST_F(PictureFolders, HiddenAndOtherFilesAreSkippedAndCounted) {
  put("pics/a.png", square_png(4, 0));
  put("pics/.b.png", square_png(4, 0));
  put("pics/.git/c.png", square_png(4, 0));
  put("pics/d.txt", "x");
  put("pics/e/f.txt", "x");
  put("pics/LICENSE", "x");
  const PictureList list(dir_ / "pics", allocate_on_heap);
  EXPECT_EQ(list.size(), 1);
  EXPECT_EQ(list.skipped(),
            (std::map<std::string, std::int64_t>{{".txt", 2}, {"hidden", 2}, {"no extension", 1}}));
}

TEST_F(PictureFolders, AFolderWithoutPicturesIsRefused) {
  put("pics/a.txt", "x");
  expect_error(ExitCode::data, {"pics holds no picture", "1 other file"},
               [this] { (void)open(config(), ""); });
  DataConfig nowhere = config();
  nowhere.source = dir_ / "nowhere";
  expect_error(ExitCode::data, {"cannot list", "nowhere", "No such file"},
               [&nowhere] { (void)open(nowhere, ""); });
}

TEST_F(PictureFolders, LinksOutOfTheFolderToFoldersAndToNothingAreNamed) {
  put("pics/a.png", square_png(4, 7));
  put("outside/b.png", square_png(4, 8));
  const fs::path link = dir_ / "pics/link.png";
  fs::create_symlink("a.png", link);
  EXPECT_THAT(first_values(*open(config(), "")), ElementsAre(7, 7));
  fs::remove(link);
  fs::create_symlink(dir_ / "outside/b.png", link);
  expect_error(ExitCode::data, {"link.png is a link to", "outside/b.png, outside of"},
               [this] { (void)open(config(), ""); });
  fs::remove(link);
  fs::create_symlink("gone.png", link);
  expect_error(ExitCode::data, {"link.png is a link that leads nowhere"},
               [this] { (void)open(config(), ""); });
  fs::remove(link);
  fs::create_symlink("..", dir_ / "pics/up");
  expect_error(ExitCode::data, {"pics/up is a link to a folder"}, [this] { (void)open(config(), ""); });
}

// A pipe has no writer here: opening it would wait for ever.
TEST_F(PictureFolders, APipeWithTheNameOfAPictureIsRefused) {
  put("pics/a.png", square_png(4, 0));
  ASSERT_EQ(::mkfifo((dir_ / "pics/b.png").c_str(), 0600), 0);
  expect_error(ExitCode::data, {"b.png", "no regular file"}, [this] { (void)open(config(), ""); });
}

TEST_F(PictureFolders, AFileThatVanishesOrIsDamagedIsNamed) {
  put("pics/a.png", square_png(4, 0));
  put("pics/b.png", square_png(4, 0));
  const auto dataset = open(config(), "");
  fs::remove(dir_ / "pics/b.png");
  expect_error(ExitCode::data, {"pics/b.png", "No such file"}, [&] { (void)first_values(*dataset); });
  put("pics/b.png", square_png(4, 0).substr(0, 60));
  expect_error(ExitCode::data, {"pics/b.png"}, [&] { (void)first_values(*dataset); });
  put("pics/b.png", "");
  expect_error(ExitCode::data, {"pics/b.png"}, [&] { (void)first_values(*dataset); });
  put("pics/b.png", square_png(4, 9));
  EXPECT_THAT(first_values(*dataset), ElementsAre(0, 9));
}

TEST_F(PictureFolders, TheListIsOneBlockOfTheAllocator) {
  for (const char* name : {"x/1.png", "x/22.png"}) put(std::string("pics/") + name, square_png(4, 0));
  std::vector<std::pair<std::size_t, std::string>> blocks;
  const DataConfig one = config();
  const auto dataset =
      one.entry().open(one, {"", {"image"}, 0, {}, [&](std::size_t bytes, const char* purpose) {
                               blocks.emplace_back(bytes, purpose);
                               return allocate_on_heap(bytes, purpose);
                             }});
  EXPECT_THAT(blocks, ElementsAre(std::pair<std::size_t, std::string>(2 * 8 + 8 + 9, "picture list")));
  EXPECT_EQ(dataset->cache_bytes(), 33);
  EXPECT_EQ(dataset->written_cache_bytes(), 33);
}

TEST_F(PictureFolders, TheDigestIsThatOfTheContentsAndNames) {
  put("pics/a.png", square_png(4, 1));
  put("pics/b.png", square_png(4, 2));
  const std::string before = open(config(), "")->digest();
  fs::rename(dir_ / "pics", dir_ / "moved");
  DataConfig moved = config();
  moved.source = dir_ / "moved";
  EXPECT_EQ(open(moved, "")->digest(), before);
  fs::rename(dir_ / "moved/b.png", dir_ / "moved/c.png");
  EXPECT_NE(open(moved, "")->digest(), before);
  fs::rename(dir_ / "moved/c.png", dir_ / "moved/b.png");
  write_bytes(dir_ / "moved/b.png", square_png(4, 3));
  EXPECT_NE(open(moved, "")->digest(), before);
}

TEST_F(PictureFolders, InspectShowsClassesSizesKindsAndSkippedFiles) {
  put("pics/train/cat/1.png", square_png(4, 0));
  put("pics/train/cat/2.png", square_png(10, 0));
  put("pics/train/dog/1.jpg", jpeg_of(sample_picture(6, 8, 1)));
  put("pics/train/dog/bad.jpg", "no picture");
  put("pics/train/notes.txt", "x");
  put("pics/test/dog/1.png", square_png(4, 0));
  put("pics/test/owl/1.png", square_png(4, 0));  // no class of training
  const std::string text = inspect(builtin_formats(), dir_ / "pics");
  for (const char* part :
       {"pics/train\n", "pics/test\n", "pictures     4\n", "classes      2", "0          cat  2\n",
        "1          dog  2\n", "1          dog  1\n", "refused    owl  1\n",
        "width        4 to 10, median 8\n", "height       4 to 10, median 6\n",
        "kinds        2 PNG colour\n             1 JPEG grey\n", "damaged      1; the first: dog/bad.jpg",
        "skipped      1 .txt\n"})
    EXPECT_THAT(text, HasSubstr(part));
  fs::rename(dir_ / "pics/train/cat", dir_ / "flat");
  EXPECT_THAT(inspect(builtin_formats(), dir_ / "flat"), HasSubstr("classes      none"));
}

TEST_F(PictureFolders, InspectLooksAtAThousandPictures) {
  const std::string one = square_png(4, 0);
  for (int i = 0; i < 1200; ++i) put("pics/" + std::to_string(i) + ".png", one);
  const std::string text = inspect(builtin_formats(), dir_ / "pics");
  EXPECT_THAT(text, HasSubstr("pictures     1200\n"));
  EXPECT_THAT(text, HasSubstr("looked at    1000 of them"));
}

TEST_F(PictureFolders, VerifyDecodesAllAndNamesTheDamagedOnes) {
  for (int i = 0; i < 15; ++i) put("pics/" + std::to_string(10 + i) + ".png", square_png(4, i));
  std::int64_t last = 0;
  const std::string line =
      verify(builtin_formats(), dir_ / "pics", [&last](std::int64_t done, std::int64_t) { last = done; });
  EXPECT_THAT(line, HasSubstr("is intact: 15 pictures"));
  EXPECT_EQ(last, 15);
  const std::string whole = square_png(4, 3);
  put("pics/13.png", whole.substr(0, whole.size() - 20));
  expect_error(ExitCode::data, {"1 of the 15 pictures", "13.png"},
               [this] { (void)verify(builtin_formats(), dir_ / "pics", {}); });
  for (int i = 0; i < 12; ++i) put("pics/" + std::to_string(10 + i) + ".png", "x");
  expect_error(ExitCode::data, {"12 of the 15 pictures", "10.png", "19.png", "and more"},
               [this] { (void)verify(builtin_formats(), dir_ / "pics", {}); });
}

}  // namespace
}  // namespace ebb::data
