// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"
#include "data/fixtures.h"

namespace ebb::data {
namespace {

using namespace testing;
using nlohmann::json;

class MdsDamage : public ::testing::Test {
 protected:
  void write(const std::string& compression = "none") { write_split(split(), 12, compression); }
  [[nodiscard]] fs::path split() const { return dir_ / "train"; }
  [[nodiscard]] fs::path shard() const { return split() / "shard.00000.mds"; }
  [[nodiscard]] fs::path packed() const { return split() / "shard.00000.mds.zstd"; }

  void change_index(const std::function<void(json&)>& change) const {
    json index = json::parse(read_bytes(split() / "index.json"));
    change(index);
    write_bytes(split() / "index.json", index.dump());
  }
  // Changes the shard and corrects length and hash in the index, so that only checks of the content remain.
  void change_shard(const std::function<void(std::string&)>& change) const {
    std::string bytes = read_bytes(shard());
    change(bytes);
    write_bytes(shard(), bytes);
    change_index([&](json& index) {
      index["shards"][0]["raw_data"]["bytes"] = bytes.size();
      index["shards"][0]["raw_data"]["hashes"]["xxh3_64"] = digest_hex(bytes);
    });
  }
  void read_all() const {
    const auto dataset = open_mds(split());
    std::vector<std::byte> image(static_cast<std::size_t>(dataset->spec().bytes()));
    for (std::int64_t i = 0; i < dataset->size(); ++i) read_only_field(*dataset, i, image);
  }
  // Both reading and verifying find it.
  void expect_refused(const std::vector<std::string>& words) const {
    expect_error(ExitCode::data, words, [this] { read_all(); });
    expect_error(ExitCode::data, words, [this] { (void)verify(builtin_formats(), split(), {}); });
  }
  Scratch dir_;
};

void put_word(std::string& bytes, std::size_t at, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[at + i] = static_cast<char>(value >> (8 * i) & 0xff);
}
std::uint32_t word(const std::string& bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i)
    value |= static_cast<std::uint32_t>(static_cast<std::uint8_t>(bytes[at + i])) << (8 * i);
  return value;
}

TEST_F(MdsDamage, AShardCutShort) {
  write();
  fs::resize_file(shard(), fs::file_size(shard()) - 1);
  expect_refused({"shard.00000.mds", "truncated"});
}

TEST_F(MdsDamage, AShardThatIsNotThere) {
  write();
  fs::remove(shard());
  expect_refused({"shard.00000.mds", "No such file"});
}

TEST_F(MdsDamage, AFlippedByte) {
  write();
  std::string bytes = read_bytes(shard());
  bytes[bytes.size() - 5] ^= 0x10;
  write_bytes(shard(), bytes);
  expect_refused({"shard.00000.mds", "damaged", "xxh3_64", "the index has"});
}

TEST_F(MdsDamage, AFlippedByteInACompressedShard) {
  write("zstd");
  const std::string whole = read_bytes(packed());
  for (std::size_t at = 0; at < whole.size(); at += 17) {
    std::string bytes = whole;
    bytes[at] ^= 0x04;
    write_bytes(packed(), bytes);
    expect_refused({"shard.00000.mds.zstd", "damaged"});
  }
}

TEST_F(MdsDamage, ACompressedShardThatIsMoreThanTheIndexSays) {
  write("zstd");
  change_index([](json& index) {
    auto& raw = index["shards"][0]["raw_data"];
    raw["bytes"] = raw["bytes"].get<int>() - 10;
  });
  expect_refused({"shard.00000.mds.zstd", "unpacks to more"});
  change_index([](json& index) {
    auto& raw = index["shards"][0]["raw_data"];
    raw["bytes"] = raw["bytes"].get<int>() + 20;
  });
  expect_refused({"shard.00000.mds.zstd", "the index has"});
}

TEST_F(MdsDamage, ACompressedShardOfMoreThanOffsetsCanAddress) {
  write("zstd");
  change_index([](json& index) { index["shards"][0]["raw_data"]["bytes"] = std::int64_t{1} << 40; });
  expect_refused({"shard 0", "1099511627776 bytes", "32 bits"});
}

TEST_F(MdsDamage, ACompressedShardOfMoreThanItsFileCanHave) {
  write("zstd");
  change_index([](json& index) { index["shards"][0]["raw_data"]["bytes"] = std::int64_t{UINT32_MAX}; });
  expect_refused({"shard 0", "packed file of", "raw file of 4294967295 bytes", "fewer than 131071 bytes"});
}

TEST_F(MdsDamage, SumsOfSamplesCannotOverflow) {
  write();
  change_index([](json& index) {
    index["shards"][0]["samples"] = std::int64_t{1} << 62;
    for (int i = 0; i < 3; ++i) index["shards"].push_back(index["shards"][0]);
  });
  expect_refused({"shard 0", "4611686018427387904 samples", "do not fit into its raw file of"});
}

TEST_F(MdsDamage, TheHashOfTheContentsOfACompressedShard) {
  write("zstd");
  change_index([](json& index) { index["shards"][0]["raw_data"]["hashes"]["xxh3_64"] = "0123456789abcdef"; });
  expect_refused({"unpacked bytes", "0123456789abcdef"});
}

TEST_F(MdsDamage, OffsetsThatGoBack) {
  write();
  change_shard([](std::string& bytes) { put_word(bytes, 4 * 6, word(bytes, 4 * 5) - 3); });
  expect_refused({"shard.00000.mds", "sample 5 of 12", "byte 24", "is smaller"});
}

TEST_F(MdsDamage, AFirstOffsetInsideTheTable) {
  write();
  change_shard([](std::string& bytes) { put_word(bytes, 4, 8); });
  expect_refused({"sample 0 of 12", "is smaller"});
}

TEST_F(MdsDamage, OffsetsThatDoNotEndWithTheShard) {
  write();
  change_shard([](std::string& bytes) { bytes += "surplus"; });
  expect_refused({"the last sample ends at", "the shard at"});
}

TEST_F(MdsDamage, AShardWhoseCountDiffersFromTheIndex) {
  write();
  change_shard([](std::string& bytes) { put_word(bytes, 0, 11); });
  expect_refused({"the shard has 11 samples, the index 12"});
}

TEST_F(MdsDamage, AnIndexWithMoreSamplesThanFit) {
  write();
  change_index([](json& index) { index["shards"][0]["samples"] = 1000000; });
  expect_refused({"do not fit"});
}

TEST_F(MdsDamage, ASampleWhosePartsDoNotAddUp) {
  write();
  change_shard([](std::string& bytes) { put_word(bytes, 4 * 4, word(bytes, 4 * 4) + 1); });
  expect_refused({"sample 2 of 12", "need 14 bytes", "15"});
}

// Only the index gives the size of a column in an unknown encoding.
TEST_F(MdsDamage, AColumnOfMoreThanASampleOrAShardHas) {
  const auto label_takes = [this](std::int64_t bytes) {
    write();
    change_index([&](json& index) {
      index["shards"][0]["column_encodings"][1] = "tensor";
      index["shards"][0]["column_sizes"][1] = bytes;
    });
  };
  label_takes(std::int64_t{1} << 62);
  expect_refused({"shard 0", "of column 'label' is 4611686018427387904", "offsets of 32 bits"});
  label_takes(std::int64_t{UINT32_MAX});
  expect_refused({"sample 0 of 12", "column 'label' needs 4294967295 bytes, and 8 of its 14 are left"});
}

TEST_F(MdsDamage, ARecordOfThePackingWithAnotherType) {
  write();
  write_bytes(split() / "pack.json", R"({"images":{"name":5}})");
  expect_error(ExitCode::data, {"pack.json", "the 'name' of its 'images' is a number"},
               [this] { (void)inspect(builtin_formats(), split()); });
  write_bytes(split() / "pack.json", "{}");
  EXPECT_NO_THROW((void)inspect(builtin_formats(), split()));
}

TEST_F(MdsDamage, NoIndex) {
  write();
  fs::remove(split() / "index.json");
  expect_refused({"no index.json"});
  expect_error(ExitCode::data, {"does not exist"}, [this] { (void)open_mds(dir_ / "nowhere"); });
}

TEST_F(MdsDamage, AnIndexThatIsNotJson) {
  write();
  const std::string text = read_bytes(split() / "index.json");
  write_bytes(split() / "index.json", text.substr(0, text.size() / 2));
  expect_refused({"index.json", "not JSON"});
  write_bytes(split() / "index.json", "[]");
  expect_refused({"index.json", "not an object"});
}

TEST_F(MdsDamage, AnIndexOfAnotherVersion) {
  write();
  change_index([](json& index) { index["version"] = 3; });
  expect_refused({"version 3", "only version 2"});
}

TEST_F(MdsDamage, AnIndexWithoutSamples) {
  write();
  change_index([](json& index) { index["shards"] = json::array(); });
  expect_refused({"empty dataset"});
}

TEST_F(MdsDamage, FieldsThatAreMissingOrOfAnotherType) {
  const std::vector<std::pair<std::function<void(json&)>, std::string>> cases = {
      {[](json& s) { s.erase("samples"); }, "has no 'samples'"},
      {[](json& s) { s["samples"] = "12"; }, "not a whole number"},
      {[](json& s) { s["samples"] = -1; }, "is invalid"},
      {[](json& s) { s["format"] = "xsv"; }, "format 'xsv'"},
      {[](json& s) { s["version"] = 1; }, "version 1"},
      {[](json& s) { s["column_names"] = {"image"}; }, "1 column names"},
      {[](json& s) { s["column_names"] = {"image", "image"}; }, "twice"},
      {[](json& s) { s["column_sizes"][1] = 4; }, "takes 8"},
      {[](json& s) { s["column_encodings"][0] = "ndarray:uint8:1,6,1,1"; }, "ndarray:uint8:C,H,W"},
      {[](json& s) { s["column_encodings"][0] = "tensor"; }, "encoding 'tensor', which is unknown"},
      {[](json& s) { s["column_names"][0] = "picture"; }, "no column 'image'"},
      {[](json& s) { s["raw_data"]["basename"] = "../../secret"; }, "not inside the dataset"},
      {[](json& s) { s["raw_data"]["basename"] = "/etc/passwd"; }, "not inside the dataset"},
      {[](json& s) { s["raw_data"] = nullptr; }, "not an object"},
      {[](json& s) { s["compression"] = "zstd"; }, "or neither"},
  };
  for (const auto& [change, word] : cases) {
    write();
    change_index([&change = change](json& index) { change(index["shards"][0]); });
    expect_error(ExitCode::data, {word}, [this] { read_all(); });
  }
}

TEST_F(MdsDamage, APickledColumnIsRefusedByNameIfItIsRead) {
  write();
  change_index([](json& index) { index["shards"][0]["column_encodings"][1] = "pkl"; });
  expect_error(ExitCode::data, {"'label'", "pkl", "refused"},
               [this] { (void)open_mds(split(), {.fields = {"image", "label"}}); });
}

TEST_F(MdsDamage, AColumnThatIsNotReadRefusesNothing) {
  for (const char* encoding : {"pkl", "tensor", "ndarray:complex64:2"}) {
    write();
    change_index([&](json& index) { index["shards"][0]["column_encodings"][1] = encoding; });
    const auto dataset = open_mds(split());
    std::vector<std::byte> image(6);
    read_only_field(*dataset, 7, image);
    expect_pixels(image, 7);
    EXPECT_NO_THROW((void)verify(builtin_formats(), split(), {})) << encoding;
    EXPECT_NO_THROW((void)inspect(builtin_formats(), split())) << encoding;
  }
}

TEST_F(MdsDamage, ACompressionThatIsNotSupported) {
  write("zstd");
  change_index([](json& index) { index["shards"][0]["compression"] = "snappy"; });
  expect_refused({"snappy", "only zstd"});
}

TEST_F(MdsDamage, ShardsWithDifferentColumns) {
  write_split(split(), 100, "none", 1000);
  change_index([](json& index) { index["shards"][1]["column_names"][1] = "class"; });
  expect_refused({"shard 1", "other columns than shard 0"});
}

// MosaicML's writer offers all algorithms of Python's hashlib.
TEST_F(MdsDamage, HashesOfOtherAlgorithmsAreNotCheckedAndSaidSo) {
  write();
  change_index([](json& index) {
    index["shards"][0]["hashes"] = {"sha256"};
    index["shards"][0]["raw_data"]["hashes"] = {{"sha256", std::string(64, '0')}};
  });
  read_all();
  EXPECT_NE(verify(builtin_formats(), split(), {}).find("sha256 (not checked)"), std::string::npos);
}

// The second read of a damaged shard checks it again.
TEST_F(MdsDamage, ARefusedShardStaysRefused) {
  for (const char* compression : {"none", "zstd"}) {
    fs::remove_all(split());
    write(compression);
    const fs::path file = std::string(compression) == "none" ? shard() : packed();
    std::string bytes = read_bytes(file);
    bytes[bytes.size() / 2] ^= 0x10;
    write_bytes(file, bytes);
    const auto dataset = open_mds(split());
    std::vector<std::byte> image(6);
    for (int k = 0; k < 3; ++k) EXPECT_THROW(read_only_field(*dataset, 0, image), Error);
  }
}

}  // namespace
}  // namespace ebb::data
