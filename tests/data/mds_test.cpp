// SPDX-License-Identifier: Apache-2.0
#include <zstd.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "data/fixtures.h"
#include "data/mds/columns.h"
#include "data/mds/index.h"
#include "memory/ledger.h"

namespace ebb::data {
namespace {

using namespace testing;

class Mds : public ::testing::TestWithParam<const char*> {
 protected:
  Scratch dir_;
};
INSTANTIATE_TEST_SUITE_P(Compressions, Mds, ::testing::Values("none", "zstd"));

// The contents of a small zstd file.
std::string unpacked(const fs::path& path) {
  const std::string bytes = read_bytes(path);
  std::string raw(1 << 16, '\0');
  raw.resize(ZSTD_decompress(raw.data(), raw.size(), bytes.data(), bytes.size()));
  return raw;
}

TEST_P(Mds, GivesBackWhatWasWritten) {
  // 600-odd bytes a shard: several shards, several samples in each.
  write_split(dir_ / "train", 300, GetParam(), 1000);
  const auto dataset = open_mds(dir_ / "train");
  EXPECT_EQ(dataset->size(), 300);
  EXPECT_EQ(dataset->spec(), kSmallImages);
  EXPECT_GT(read_mds_index(dir_ / "train").shards.size(), 5U);
  std::vector<std::byte> image(6);
  for (std::int64_t k = 0; k < 300; ++k) {
    const std::int64_t i = k * 7 % 300;
    read_only_field(*dataset, i, image);
    expect_pixels(image, i);
  }
}

TEST_P(Mds, ShardsStayWithinTheirLimit) {
  write_split(dir_ / "train", 300, GetParam(), 1000);
  const MdsIndex index = read_mds_index(dir_ / "train");
  std::int64_t samples = 0;
  for (const MdsShardInfo& shard : index.shards) {
    EXPECT_LE(shard.raw.bytes, 1000);
    EXPECT_EQ(shard.first, samples);
    samples += shard.samples;
  }
  EXPECT_EQ(samples, 300);
  EXPECT_EQ(index.shard_of(0), 0U);
  EXPECT_EQ(index.shard_of(299), index.shards.size() - 1);
  EXPECT_EQ(index.shard_of(index.shards[1].first), 1U);
  EXPECT_EQ(index.shard_of(index.shards[1].first - 1), 0U);
}

TEST_P(Mds, TheDigestIsThatOfTheContentsNotOfThePath) {
  write_split(dir_ / "train", 300, GetParam(), 1000);
  const std::string digest = open_mds(dir_ / "train")->digest();
  EXPECT_EQ(digest.size(), 16U);
  fs::rename(dir_ / "train", dir_ / "moved");
  EXPECT_EQ(open_mds(dir_ / "moved")->digest(), digest);
  write_split(dir_ / "more", 301, GetParam(), 1000);
  EXPECT_NE(open_mds(dir_ / "more")->digest(), digest);
}

// As the writers of others leave them out.
TEST_P(Mds, WithoutHashesTheDigestReadsBlocksOfTheShards) {
  write_split(dir_ / "train", 300, GetParam(), 1000);
  nlohmann::json index = nlohmann::json::parse(std::ifstream(dir_ / "train/index.json"));
  for (auto& shard : index.at("shards")) {
    shard.at("raw_data").at("hashes") = nlohmann::json::object();
    if (!shard.at("zip_data").is_null()) shard.at("zip_data").at("hashes") = nlohmann::json::object();
  }
  std::ofstream(dir_ / "train/index.json") << index;
  const std::string digest = open_mds(dir_ / "train")->digest();
  EXPECT_EQ(open_mds(dir_ / "train")->digest(), digest);
  for (const auto& shard : index.at("shards")) {
    if (shard.at("zip_data").is_null()) continue;
    const fs::path packed = dir_ / ("train/" + shard.at("zip_data").at("basename").get<std::string>());
    write_bytes(dir_ / ("train/" + shard.at("raw_data").at("basename").get<std::string>()), unpacked(packed));
    fs::remove(packed);
  }
  EXPECT_EQ(open_mds(dir_ / "train")->digest(), digest);  // the form does not matter
  const std::string first = index.at("shards").at(0).at("raw_data").at("basename");
  std::fstream stream(dir_ / ("train/" + first), std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(100);
  const int byte = stream.get();
  stream.seekp(100);
  stream.put(static_cast<char>(byte ^ 1));
  stream.close();
  EXPECT_NE(open_mds(dir_ / "train")->digest(), digest);
}

TEST(MdsCache, OneCachedShardIsEnoughForAnyOrder) {
  Scratch dir;
  write_split(dir / "train", 200, "zstd", 1000);
  const auto dataset = open_mds(dir / "train", {.cache_bytes = 1});
  std::vector<std::byte> image(6);
  for (std::int64_t k = 0; k < 400; ++k) {
    const std::int64_t i = k * 77 % 200;
    read_only_field(*dataset, i, image);
    expect_pixels(image, i);
  }
}

// The bytes according to the format's description, written by hand.
TEST(MdsBytes, AShardIsWhatTheFormatSays) {
  Scratch dir;
  fs::create_directories(dir / "train");
  MdsWriter writer(dir / "train", {{"name", "str", {}}, {"image", "ndarray:uint8:1,1,2", {}}},
                   {1 << 16, "none"});
  // Sorted by name: image, then name.
  EXPECT_EQ(writer.columns()[0].name, "image");
  const std::string pixels = "\x01\x02";
  for (const std::string name : {"ab", "c"}) {
    const std::vector<std::span<const std::byte>> values = {std::as_bytes(std::span<const char>(pixels)),
                                                            std::as_bytes(std::span<const char>(name))};
    writer.write(values);
  }
  writer.finish();

  const std::string config =
      R"({"column_encodings":["ndarray:uint8:1,1,2","str"],"column_names":["image","name"],"column_sizes":[2,null],)"
      R"("compression":null,"format":"mds","hashes":["xxh3_64"],"size_limit":65536,"version":2})";
  const auto word = [](std::size_t value) {
    std::string text;
    for (int shift = 0; shift < 32; shift += 8) text += static_cast<char>(value >> shift & 0xff);
    return text;
  };
  const std::size_t begin = 4 * 4 + config.size();
  const std::string expected = word(2) + word(begin) + word(begin + 8) + word(begin + 15) + config + word(2) +
                               "\x01\x02" + "ab" + word(1) + "\x01\x02" + "c";
  EXPECT_EQ(read_bytes(dir / "train/shard.00000.mds"), expected);

  const auto index = nlohmann::json::parse(read_bytes(dir / "train/index.json"));
  EXPECT_EQ(index["version"], 2);
  ASSERT_EQ(index["shards"].size(), 1U);
  const auto& shard = index["shards"][0];
  EXPECT_EQ(shard["samples"], 2);
  EXPECT_TRUE(shard["compression"].is_null());
  EXPECT_TRUE(shard["zip_data"].is_null());
  EXPECT_EQ(shard["raw_data"]["basename"], "shard.00000.mds");
  EXPECT_EQ(shard["raw_data"]["bytes"], expected.size());
  EXPECT_EQ(shard["raw_data"]["hashes"]["xxh3_64"].get<std::string>().size(), 16U);
}

// A dataset of another writer: other columns around the image, sha1, none of our hashes, a compression
// level.
TEST(MdsForeign, ReadsColumnsOfVaryingLengthAroundTheImage) {
  Scratch dir;
  fs::create_directories(dir / "train");
  MdsWriter writer(dir / "train",
                   {{"aa", "bytes", {}}, {"image", "ndarray:uint8:2,3", {}}, {"zz", "json", {}}},
                   {1 << 16, "none"});
  for (std::int64_t i = 0; i < 20; ++i) {
    const std::string before(static_cast<std::size_t>(i), 'b');
    const std::string after(static_cast<std::size_t>(20 - i), 'a');
    std::vector<std::byte> image(6);
    for (std::int64_t p = 0; p < 6; ++p) image[static_cast<std::size_t>(p)] = pixel(i, p);
    const std::vector<std::span<const std::byte>> values = {
        std::as_bytes(std::span<const char>(before)), image, std::as_bytes(std::span<const char>(after))};
    writer.write(values);
  }
  writer.finish();
  const auto dataset = open_mds(dir / "train");
  EXPECT_EQ(dataset->spec(), kSmallImages);
  std::vector<std::byte> image(6);
  for (std::int64_t i = 0; i < 20; ++i) {
    read_only_field(*dataset, i, image);
    expect_pixels(image, i);
  }
}

TEST(MdsForeign, ImagesWithTheChannelsLastAreReadWithThemFirst) {
  Scratch dir;
  fs::create_directories(dir / "train");
  MdsWriter writer(dir / "train", {{"image", "ndarray:uint8:5,6,3", {}}}, {1 << 16, "none"});
  std::vector<std::byte> image(90), read(90);
  for (std::size_t i = 0; i < 90; ++i) image[i] = static_cast<std::byte>(i);
  const std::span<const std::byte> value = image;
  writer.write({&value, 1});
  writer.finish();
  const auto dataset = open_mds(dir / "train");
  EXPECT_EQ(dataset->spec(), core::SampleSpec{{core::image_field(3, 5, 6)}});
  read_only_field(*dataset, 0, read);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < 30; ++p) EXPECT_EQ(read[30 * c + p], image[3 * p + c]);
  EXPECT_NE(inspect(builtin_formats(), dir / "train").find("axes H,W,C, read as C,H,W"), std::string::npos);
  EXPECT_TRUE(has_channels_last({32, 32, 1}));
  EXPECT_TRUE(has_channels_last({5, 5, 4}));
  for (const std::vector<std::int64_t>& first :
       {std::vector<std::int64_t>{3, 32, 32}, {32, 32, 5}, {8, 4, 4}, {32, 32}})
    EXPECT_FALSE(has_channels_last(first));
}

TEST(MdsForeign, TakesTheUnpackedFileIfThereIsOne) {
  Scratch dir;
  write_split(dir / "train", 10, "zstd");
  const fs::path packed = dir / "train/shard.00000.mds.zstd";
  const std::string raw = unpacked(packed);
  const fs::path unpacked_path = dir / "train/shard.00000.mds";
  write_bytes(unpacked_path, raw.substr(0, raw.size() / 2));  // an interrupted unpacking
  const auto expect_read = [&] {
    const auto dataset = open_mds(dir / "train");
    std::vector<std::byte> image(6);
    read_only_field(*dataset, 7, image);
    expect_pixels(image, 7);
  };
  expect_read();
  write_bytes(unpacked_path, raw);
  write_bytes(packed, "half of a download");
  expect_read();
  fs::remove(packed);
  expect_read();
}

std::int64_t label_in(const fs::path& folder, const std::string& encoding, const std::string& value) {
  fs::create_directories(folder);
  MdsWriter writer(folder, {{"label", encoding, {}}}, {1 << 16, "none"});
  const std::span<const std::byte> bytes = std::as_bytes(std::span(value));
  writer.write({&bytes, 1});
  writer.finish();
  const auto dataset = open_mds(folder, {.fields = {"label"}});
  EXPECT_EQ(dataset->spec(), core::SampleSpec{{core::label_field()}});
  std::int64_t label = 0x5555555555555555;
  read_only_field(*dataset, 0, std::as_writable_bytes(std::span(&label, 1)));
  return label;
}

TEST(MdsFields, LabelsAreWidenedToInt64) {
  Scratch dir;
  EXPECT_EQ(label_in(dir / "a", "int", std::string("\xfe\xff\xff\xff\xff\xff\xff\xff", 8)), -2);
  EXPECT_EQ(label_in(dir / "b", "int32", std::string("\xfe\xff\xff\xff", 4)), -2);
  EXPECT_EQ(label_in(dir / "c", "uint16", "\xfe\xff"), 0xfffe);
  EXPECT_EQ(label_in(dir / "d", "uint8", "\x07"), 7);
  expect_error(ExitCode::data, {"'label'", "float32", "int"},
               [&] { (void)label_in(dir / "e", "float32", std::string(4, '\0')); });
}

TEST_P(Mds, BringsTheFieldsThatAreAskedFor) {
  write_split(dir_ / "train", 300, GetParam(), 1000);
  const auto dataset = open_mds(dir_ / "train", {.fields = {"label", "image"}});
  EXPECT_EQ(dataset->spec(), (core::SampleSpec{{core::label_field(), core::image_field(1, 2, 3)}}));
  std::int64_t label = 0;
  std::vector<std::byte> image(6);
  const std::vector<std::span<std::byte>> sample = {std::as_writable_bytes(std::span(&label, 1)), image};
  for (std::int64_t i = 0; i < 300; ++i) {
    dataset->read(i, sample);
    EXPECT_EQ(label, i % 10);
    expect_pixels(image, i);
  }
  expect_error(ExitCode::internal, {"does not fit"}, [&] { dataset->read(0, std::span(sample).first(1)); });
  expect_error(ExitCode::internal, {"no sample 300"}, [&] { dataset->read(300, sample); });
  expect_error(ExitCode::data, {"no column 'weight'", "image, label"},
               [this] { (void)open_mds(dir_ / "train", {.fields = {"weight"}}); });
}

TEST(MdsEncodings, ArraysAreParsedStrictly) {
  const auto array = parse_array_encoding("ndarray:float32:3,4");
  ASSERT_TRUE(array.has_value());
  EXPECT_EQ(array->dtype, "float32");
  EXPECT_EQ(array->dims, (std::vector<std::int64_t>{3, 4}));
  EXPECT_EQ(array->bytes, 48);
  for (const char* text : {"ndarray", "ndarray:uint8", "ndarray:uint8:", "ndarray:uint8:3,",
                           "ndarray:uint8:-1", "ndarray:uint8:0", "ndarray:uint9:1", "ndarray:int:1",
                           "ndarray:uint8:1x2", "ndarray:uint8:65536,65536,65536", "array:uint8:1"}) {
    EXPECT_FALSE(parse_array_encoding(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace ebb::data
