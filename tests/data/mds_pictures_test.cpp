// SPDX-License-Identifier: Apache-2.0
// Columns of encoded pictures in MDS, written here as other programs write them.
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "data/mds/inspect.h"
#include "data/picture_files.h"

namespace ebb::data {
namespace {

using namespace testing;

// One shard with the columns image and label.
void write_pictures(const fs::path& folder, const std::string& encoding,
                    const std::vector<std::string>& pictures, const std::string& column = "image") {
  fs::create_directories(folder);
  std::string body;
  const std::string config = "{}";
  const auto header = static_cast<std::uint32_t>(4 * (pictures.size() + 2) + config.size());
  std::string table = little_endian_text(static_cast<std::uint32_t>(pictures.size()), 4);
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    table += little_endian_text(header + static_cast<std::uint32_t>(body.size()), 4);
    body += little_endian_text(static_cast<std::uint32_t>(pictures[i].size()), 4) + pictures[i] +
            little_endian_text(static_cast<std::uint32_t>(i), 4) + std::string(4, '\0');
  }
  table += little_endian_text(header + static_cast<std::uint32_t>(body.size()), 4);
  const std::string shard = table + config + body;
  write_bytes(folder / "shard.00000.mds", shard);
  const nlohmann::json index = {
      {"version", 2},
      {"shards",
       {{{"format", "mds"},
         {"version", 2},
         {"samples", pictures.size()},
         {"size_limit", 1 << 26},
         {"compression", nullptr},
         {"hashes", nlohmann::json::array()},
         {"column_names", {column, "label"}},
         {"column_encodings", {encoding, "int"}},
         {"column_sizes", {nullptr, 8}},
         {"raw_data",
          {{"basename", "shard.00000.mds"}, {"bytes", shard.size()}, {"hashes", nlohmann::json::object()}}},
         {"zip_data", nullptr}}}}};
  std::ofstream(folder / "index.json") << index;
}

std::string pil_of(const Picture& picture, const std::string& mode) {
  return little_endian_text(static_cast<std::uint32_t>(picture.width), 4) +
         little_endian_text(static_cast<std::uint32_t>(picture.height), 4) +
         little_endian_text(static_cast<std::uint32_t>(mode.size()), 4) + mode + text_of_pixels(picture);
}

PictureConfig of_channels(std::int64_t channels) {
  PictureConfig pictures;
  pictures.channels = channels;
  return pictures;
}

class MdsPictureColumns : public ::testing::Test {
 protected:
  [[nodiscard]] std::vector<std::byte> image_of(std::int64_t sample, const PictureConfig& pictures = {}) {
    const auto dataset = open_mds(folder(), {.pictures = pictures});
    std::vector<std::byte> image(static_cast<std::size_t>(dataset->spec().fields[0].bytes()));
    read_only_field(*dataset, sample, image);
    return image;
  }
  void expect_refused(ExitCode code, const std::vector<std::string>& words,
                      const PictureConfig& pictures = {}, std::int64_t sample = 0) {
    expect_error(code, words, [&] { (void)image_of(sample, pictures); });
  }
  [[nodiscard]] fs::path folder() const { return dir_ / "train"; }
  Scratch dir_;
};

// Channels first.
std::vector<std::byte> planes_of(const Picture& picture) {
  std::vector<std::byte> planes;
  for (std::int64_t c = 0; c < picture.channels; ++c)
    for (std::int64_t p = 0; p < picture.height * picture.width; ++p)
      planes.push_back(picture.pixels[static_cast<std::size_t>(p * picture.channels + c)]);
  return planes;
}

TEST_F(MdsPictureColumns, PngAndPilGiveTheirPixels) {
  const Picture first = sample_picture(5, 7, 3), second = sample_picture(5, 7, 1);
  const auto grey = planes_of(second);
  std::vector<std::byte> as_colour;
  for (int c = 0; c < 3; ++c) as_colour.insert(as_colour.end(), grey.begin(), grey.end());
  const auto expect_both = [&](const char* encoding) {
    EXPECT_EQ(image_of(0), planes_of(first)) << encoding;
    EXPECT_EQ(image_of(1), as_colour) << encoding;
    EXPECT_EQ(open_mds(folder())->spec().fields[0], core::image_field(3, 5, 7)) << encoding;
  };
  write_pictures(folder(), "png", {png_of(first), png_of(second)});
  expect_both("png");
  write_pictures(folder(), "pil", {pil_of(first, "RGB"), pil_of(second, "L")});
  expect_both("pil");
}

TEST_F(MdsPictureColumns, JpegIsDecodedAsFromAFile) {
  const std::string file = jpeg_of(sample_picture(8, 8, 3));
  for (const char* encoding : {"jpeg", "jpeg:90"}) {
    write_pictures(folder(), encoding, {file});
    EXPECT_EQ(image_of(0), planes_of(decode_picture(bytes_of(file), 3, "the picture"))) << encoding;
  }
}

TEST_F(MdsPictureColumns, PicturesOfSeveralSizesAreScaledAndKeepTheirLabels) {
  write_pictures(folder(), "png", {png_of(sample_picture(8, 8, 3)), png_of(sample_picture(12, 9, 3))});
  const auto dataset = open_mds(
      folder(), {.fields = {"image", "label"}, .pictures = {.size = 4, .crop = true, .channels = 1}});
  EXPECT_EQ(dataset->spec().fields[0], core::image_field(1, 4, 4));
  std::vector<std::byte> image(16), label(8);
  const std::vector<std::span<std::byte>> out{image, label};
  dataset->read(1, out);
  EXPECT_EQ(label[0], std::byte{1});
  expect_refused(ExitCode::data, {"shard.00000.mds: the picture of sample 1 has 9 x 12", "data.size"}, {}, 1);
}

TEST_F(MdsPictureColumns, ArraysHaveAFixedSizeAndFixedChannels) {
  write_split(folder(), 3);
  expect_refused(ExitCode::usage, {"data.size", "ndarray:uint8:1,2,3", "remove the key"}, {.size = 4});
  expect_refused(ExitCode::usage, {"data.channels is 4", "are 1 x 2 x 3"}, of_channels(4));
  EXPECT_EQ(image_of(0, of_channels(1)).size(), 6U);
}

TEST_F(MdsPictureColumns, DamagedPicturesAreNamedAndFoundByVerify) {
  const std::string good = png_of(sample_picture(4, 4, 3));
  write_pictures(folder(), "png", {good, good.substr(0, good.size() / 2), good, "not a picture"});
  expect_refused(ExitCode::data, {"the picture of sample 1"}, {}, 1);
  expect_refused(ExitCode::data, {"the picture of sample 3"}, {}, 3);
  expect_error(ExitCode::data, {"2 of the 4 pictures", "sample 1", "sample 3"},
               [this] { (void)verify_mds(folder(), {}); });
  write_pictures(folder(), "png", {good});
  EXPECT_NE(verify_mds(folder(), {}).find("intact: 1 samples"), std::string::npos);
  EXPECT_NE(inspect_mds(folder()).find("4 x 4 pixels"), std::string::npos);
}

TEST_F(MdsPictureColumns, ADamagedFirstPictureIsDescribedByInspect) {
  write_pictures(folder(), "png", {"not a picture"});
  const std::string text = inspect_mds(folder());
  EXPECT_NE(text.find("damaged: "), std::string::npos) << text;
  EXPECT_NE(text.find("label"), std::string::npos) << text;
}

TEST_F(MdsPictureColumns, PicturesOfOtherColumnsAreNotDecoded) {
  for (const char* encoding : {"png", "jpeg:90", "pil"}) {
    write_pictures(folder(), encoding, {"not a picture"}, "thumbnail");
    EXPECT_NE(verify_mds(folder(), {}).find("intact: 1 samples"), std::string::npos) << encoding;
    EXPECT_NE(inspect_mds(folder()).find("13 bytes"), std::string::npos) << encoding;
  }
}

// Its picture is not needed to know the size of samples.
TEST_F(MdsPictureColumns, WithASizeOpeningReadsNoPicture) {
  write_pictures(folder(), "png", {"not a picture", png_of(sample_picture(4, 4, 3))});
  expect_refused(ExitCode::data, {"the picture of sample 0"}, {}, 1);
  EXPECT_EQ(image_of(1, {.size = 2}).size(), 12U);
}

TEST_F(MdsPictureColumns, DamagedPilPicturesAreRefused) {
  const std::string good = pil_of(sample_picture(4, 4, 3), "RGB");
  const auto refuse = [&](const std::string& value, const std::string& words) {
    write_pictures(folder(), "pil", {value});
    expect_refused(ExitCode::data, {"the picture of sample 0: ", words});
  };
  refuse("", "starts with 12 bytes, and this has 0");
  refuse(good.substr(0, 11), "and this has 11");
  refuse(good.substr(0, 8) + std::string(4, '\xff') + good.substr(12), "has 4294967295 bytes");
  refuse(pil_of(sample_picture(4, 4, 1), "P"), "the mode 'P'");
  refuse(pil_of(sample_picture(4, 4, 1), "\x1b\xff"), R"(the mode '\x1b\xff')");
  refuse(good.substr(0, good.size() - 1), "take 48 bytes, and the pil picture has 47");
  refuse(good + "x", "has 49");
  refuse(std::string(8, '\xff') + good.substr(8), "4294967295 x 4294967295 pixels");
  refuse(std::string(4, '\0') + good.substr(4), "has 0 x 4 pixels");
}

}  // namespace
}  // namespace ebb::data
