// SPDX-License-Identifier: Apache-2.0
// What ebb reads from arrays, against what NumPy, safetensors and Python's zipfile wrote.
#include "data/arrays.h"

#include <sys/wait.h>

#include <cstdlib>

#include "config/document.h"
#include "data/format_fixture.h"
#include "data/labels.h"

namespace ebb::data {
namespace {

using namespace testing;

class Arrays : public FormatTest {
 protected:
  [[nodiscard]] DataConfig config(const std::string& source) const { return recognized(source, "arrays"); }
  static std::unique_ptr<Dataset> open(const DataConfig& config, const std::string& split,
                                       std::vector<std::string> fields = {"image", "label"}) {
    return open_split(config, split, std::move(fields));
  }
  // The images of all samples, then the labels.
  static std::string contents(Dataset& dataset) {
    std::string images, labels;
    std::vector<std::byte> image(static_cast<std::size_t>(dataset.spec().at("image").bytes())), label(8);
    const std::vector<std::span<std::byte>> spans = {image, label};
    for (std::int64_t i = 0; i < dataset.size(); ++i) {
      dataset.read(i, spans);
      images.append(reinterpret_cast<const char*>(image.data()), image.size());
      labels.append(reinterpret_cast<const char*>(label.data()), label.size());
    }
    return images + labels;
  }
};

TEST_F(Arrays, AreReadAsTheLibrariesWroteThem) {
  const char* const python = std::getenv("EBB_TWIN_PYTHON");
  const char* const script = std::getenv("EBB_WRITE_ARRAYS");
  ASSERT_TRUE(python != nullptr && script != nullptr);
  const int status =
      std::system(fmt::format("'{}' -B '{}' '{}'", python, script, dir_.path().string()).c_str());
  if (WEXITSTATUS(status) == 77) GTEST_SKIP() << "NumPy or safetensors is missing";
  ASSERT_EQ(status, 0);
  for (const char* const source : {"keras.npz", "deflated.npz", "medmnist.npz", "one.safetensors", "npy1",
                                   "npy2", "npy3", "folders", "files", "tensors", "zipfile.npz"}) {
    const DataConfig read = config(source);
    for (const std::string split : {"train", "test"}) {
      const auto dataset = open(read, split);
      EXPECT_EQ(dataset->spec(), (core::SampleSpec{{core::image_field(3, 6, 7), core::label_field()}}))
          << source;
      EXPECT_TRUE(contents(*dataset) == read_bytes(dir_ / (split + ".expected"))) << source << ", " << split;
    }
    const auto splits = read.entry().splits(read);
    ASSERT_EQ(splits.size(), 2U) << source;
    EXPECT_EQ(splits[1].name, "test");
    EXPECT_EQ(splits[1].fields, (std::vector<std::string>{"image", "label"}));
    const std::string text = inspect(builtin_formats(), dir_ / source);
    EXPECT_NE(text.find("(40, "), std::string::npos) << text;
    EXPECT_NE(verify(builtin_formats(), dir_ / source, {}).find("is intact"), std::string::npos);
  }
}

TEST_F(Arrays, OneFileIsDividedByAShare) {
  put("all/pixels.npy", images_npy(50));
  put("all/pixels_labels.npy", labels_npy(50));
  DataConfig one = config("all/pixels.npy");
  expect_error(ExitCode::usage, {"not divided into train and test", "data.test_share"},
               [&] { (void)open(one, "train"); });
  ASSERT_EQ(one.entry().splits(one).size(), 1U);
  EXPECT_EQ(one.entry().splits(one)[0].name, "");
  EXPECT_EQ(contents(*open(one, "")).substr(0, 300), image_values(50));
  one.test_share = 0.2;
  ASSERT_EQ(one.entry().splits(one).size(), 2U);
  const auto train = open(one, "train"), test = open(one, "test");
  EXPECT_EQ(train->size(), 40);
  EXPECT_EQ(test->size(), 10);
  // Each image keeps its label, and each occurs once.
  std::vector<int> seen(50);
  for (Dataset* const split : {train.get(), test.get()}) {
    std::vector<std::byte> image(6), label(8);
    const std::vector<std::span<std::byte>> spans = {image, label};
    for (std::int64_t i = 0; i < split->size(); ++i) {
      split->read(i, spans);
      const int number = std::to_integer<int>(image[0]);
      ++seen[static_cast<std::size_t>(number)];
      EXPECT_EQ(std::to_integer<int>(label[0]), number % 10);
    }
  }
  EXPECT_EQ(seen, std::vector<int>(50, 1));
}

TEST_F(Arrays, AShareOfASourceWithSplitsIsRefused) {
  put("two/x_train.npy", images_npy(5));
  put("two/x_test.npy", images_npy(5));
  DataConfig two = config("two");
  two.test_share = 0.1;
  expect_error(ExitCode::usage, {"data.test_share is 0.1", "leave it out"},
               [&] { (void)open(two, "train"); });
}

TEST_F(Arrays, FilesOfLabelsAreFoundBesideTheImages) {
  put("a/x.npy", images_npy(3));
  put("a/labels.npy", labels_npy(3));
  EXPECT_EQ(labels_of(*open(config("a/x.npy"), "", {"label"})), (std::vector<std::int64_t>{0, 1, 2}));
  put("a/x_labels.npy", npy_of("|u1", "(3,)", "\7\7\7"));  // comes before labels.npy
  EXPECT_EQ(labels_of(*open(config("a/x.npy"), "", {"label"})), (std::vector<std::int64_t>{7, 7, 7}));
  put("b/images.npy", images_npy(3));
  expect_error(ExitCode::data, {"images.npy has no array of labels", "NAME_labels.npy"},
               [&] { (void)open(config("b/images.npy"), "", {"image", "label"}); });
  EXPECT_EQ(open(config("b/images.npy"), "", {"image"})->size(), 3);
}

TEST_F(Arrays, ValuesLieInTheirFileOrAreUnpackedOnce) {
  put("stored.npz", zip_of({{"x.npy", images_npy(50)}, {"y.npy", labels_npy(50)}}));
  put("packed.npz", zip_of({{"x.npy", images_npy(50), true}, {"y.npy", labels_npy(50), true}}));
  std::int64_t taken = 0;
  const auto opened = [&](const DataConfig& config) {
    taken = 0;
    return config.entry().open(config,
                               {"", {"image", "label"}, 0, {}, [&](std::size_t bytes, const char* purpose) {
                                  EXPECT_STREQ(purpose, kShardCache);
                                  taken += static_cast<std::int64_t>(bytes);
                                  return allocate_on_heap(bytes, purpose);
                                }});
  };
  EXPECT_EQ(opened(config("stored.npz"))->cache_bytes(), 0);
  EXPECT_EQ(taken, 0);
  const auto both = std::ssize(images_npy(50)) + std::ssize(labels_npy(50));
  DataConfig packed = config("packed.npz");
  packed.cache.ram = both;
  const auto dataset = opened(packed);
  EXPECT_EQ(dataset->cache_bytes(), both);
  EXPECT_EQ(dataset->written_cache_bytes(), both);
  EXPECT_EQ(taken, both);
  EXPECT_EQ(contents(*dataset), contents(*opened(config("stored.npz"))));
  EXPECT_EQ(dataset->digest(), opened(config("stored.npz"))->digest());
  packed.cache.ram = both - 1;
  taken = 0;
  expect_error(ExitCode::data, {"packed.npz, entry x.npy", "data.cache.ram", "np.savez"},
               [&] { (void)opened(packed); });
  EXPECT_EQ(taken, 0);
}

TEST_F(Arrays, AxesAreFoundOrAskedFor) {
  const auto spec = [&](const std::string& shape, std::size_t bytes, ArrayLayout layout) {
    put("x.npy", npy_of("|u1", shape, std::string(bytes, 'v')));
    DataConfig read = config("x.npy");
    read.layout = layout;
    return open(read, "", {"image"})->spec().at("image").dims;
  };
  using Dims = std::vector<std::int64_t>;
  constexpr auto kAuto = ArrayLayout::automatic, kFirst = ArrayLayout::channels_first,
                 kLast = ArrayLayout::channels_last;
  EXPECT_EQ(spec("(2, 5, 6)", 60, kAuto), (Dims{1, 5, 6}));
  EXPECT_EQ(spec("(2, 5, 3)", 30, kLast), (Dims{1, 5, 3}));
  for (const std::int64_t channels : {1, 3, 4}) {
    EXPECT_EQ(spec(fmt::format("(2, {}, 5, 6)", channels), 60U * channels, kAuto), (Dims{channels, 5, 6}));
    EXPECT_EQ(spec(fmt::format("(2, 5, 6, {})", channels), 60U * channels, kAuto), (Dims{channels, 5, 6}));
  }
  expect_error(ExitCode::data,
               {"(2, 3, 5, 4)", "3 channels of 5 x 4", "4 channels of 3 x 5", "data.layout to NCHW or NHWC"},
               [&] { (void)spec("(2, 3, 5, 4)", 120, kAuto); });
  EXPECT_EQ(spec("(2, 3, 5, 4)", 120, kFirst), (Dims{3, 5, 4}));
  EXPECT_EQ(spec("(2, 3, 5, 4)", 120, kLast), (Dims{4, 3, 5}));
  expect_error(ExitCode::data, {"(2, 2, 5, 6)", "1, 3 or 4 channels"},
               [&] { (void)spec("(2, 2, 5, 6)", 120, kAuto); });
  expect_error(ExitCode::data, {"(2, 3, 5, 6)", "data.layout is NHWC"},
               [&] { (void)spec("(2, 3, 5, 6)", 180, kLast); });
  expect_error(ExitCode::data, {"(2, 60)", "(samples, height, width)"},
               [&] { (void)spec("(2, 60)", 120, kAuto); });
  expect_error(ExitCode::data, {"(0, 5, 6)", "no images"}, [&] { (void)spec("(0, 5, 6)", 0, kAuto); });
}

TEST_F(Arrays, ChannelsLastAreReadChannelByChannel) {
  put("x.npy", npy_of("|u1", "(1, 1, 2, 3)", "abcdef"));
  DataConfig read = config("x.npy");
  read.layout = ArrayLayout::channels_last;
  std::string image(6, '\0');
  read_only_field(*open(read, "", {"image"}), 0, std::as_writable_bytes(std::span(image)));
  EXPECT_EQ(image, "adbecf");
}

TEST_F(Arrays, TrueIsWhite) {
  put("x.npy", npy_of("|b1", "(1, 2, 2)", std::string("\0\1\1\0", 4)));
  std::string image(4, '\0');
  read_only_field(*open(config("x.npy"), "", {"image"}), 0, std::as_writable_bytes(std::span(image)));
  EXPECT_EQ(image, std::string("\0\xff\xff\0", 4));
}

TEST_F(Arrays, LabelsOfEveryIntegerTypeAreRead) {
  const auto labels = [&](const std::string& descr, const std::string& shape, const std::string& values) {
    put("x.npy", images_npy(2));
    put("labels.npy", npy_of(descr, shape, values));
    return labels_of(*open(config("x.npy"), "", {"label"}));
  };
  using Labels = std::vector<std::int64_t>;
  EXPECT_EQ(labels("|u1", "(2,)", "\xff\1"), (Labels{255, 1}));
  EXPECT_EQ(labels("|i1", "(2,)", "\xff\1"), (Labels{-1, 1}));
  EXPECT_EQ(labels("<u2", "(2,)", std::string("\xff\xff\1\0", 4)), (Labels{65535, 1}));
  EXPECT_EQ(labels(">i2", "(2, 1)", std::string("\xff\xfe\0\1", 4)), (Labels{-2, 1}));
  EXPECT_EQ(labels("<u4", "(2,)", std::string("\xff\xff\xff\xff\1\0\0\0", 8)), (Labels{4294967295, 1}));
  EXPECT_EQ(labels(">u4", "(2,)", std::string("\0\0\1\0\0\0\0\1", 8)), (Labels{256, 1}));
  EXPECT_EQ(labels("<i8", "(2,)", number_text(std::int64_t{-5}) + number_text(INT64_MAX)),
            (Labels{-5, INT64_MAX}));
  expect_error(ExitCode::data, {"labels.npy", "number 1 is 18446744073709551615"},
               [&] { (void)labels("<u8", "(2,)", number_text(std::uint64_t{1}) + number_text(UINT64_MAX)); });
}

TEST_F(Arrays, LabelsOutsideOfTheClassesAreRefusedAtOnce) {
  put("x.npy", images_npy(50));
  put("labels.npy", labels_npy(50));
  const DataConfig read = config("x.npy");
  expect_error(ExitCode::data, {"labels.npy: number 4 has the label 4", "model.classes"},
               [&] { (void)read.entry().open(read, {"", {"label"}, 0, 4}); });
  EXPECT_NO_THROW((void)read.entry().open(read, {"", {"label"}, 0, 10}));
}

TEST_F(Arrays, KeysAreOnlyThoseOfArrays) {
  put("x.npy", images_npy(5));
  const auto load = [&](const std::vector<std::string>& overrides) {
    DataConfig read(builtin_formats());
    config::Section section;
    read.describe(section.child("data", ""));
    std::vector<std::string> all = {"data.source=" + (dir_ / "x.npy").string(), "data.format=arrays"};
    all.insert(all.end(), overrides.begin(), overrides.end());
    (void)config::load_text("", "test", all, section);
    return std::pair{read.layout, read.test_share};
  };
  EXPECT_EQ(load({"data.layout=NHWC", "data.test_share=0.5"}), (std::pair{ArrayLayout::channels_last, 0.5}));
  expect_error(ExitCode::usage, {"data.size"}, [&] { (void)load({"data.size=8"}); });
  expect_error(ExitCode::usage, {"data.layout", "NCHW"}, [&] { (void)load({"data.layout=CHW"}); });
}

TEST_F(Arrays, InspectShowsWhatIsRead) {
  put("a.npz", zip_of({{"x_train.npy", images_npy(30)},
                       {"y_train.npy", labels_npy(30), true},
                       {"x_test.npy", npy_of("<f4", "(1, 2)", std::string(8, 'f'))},
                       {"other.npy", labels_npy(3)},
                       {"meta.npy", npy_of("|O", "(1,)", "pickled!")}}));
  const std::string text = inspect(builtin_formats(), dir_ / "a.npz");
  for (const char* const words :
       {"format       arrays", "x_train", "uint8", "(30, 2, 3)", "180 B", "images of train", "axes N,H,W",
        "labels of train; deflated", "images of test, but", "meta         ignored: ", "float32", "not read",
        "10 classes", "0: 3, 1: 3"})
    EXPECT_NE(text.find(words), std::string::npos) << words << " is not in\n" << text;
}

}  // namespace
}  // namespace ebb::data
