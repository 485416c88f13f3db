#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ebb::data {

// A column of MDS. `bytes` is empty where its length varies from sample to sample.
struct MdsColumn {
  std::string name;
  std::string encoding;
  std::optional<std::int64_t> bytes;
};

struct MdsFile {
  std::string basename;
  std::int64_t bytes = 0;
  std::vector<std::pair<std::string, std::string>> hashes;  // algorithm, hex
};

struct MdsShardInfo {
  std::int64_t first = 0;  // index of its first sample in the dataset
  std::int64_t samples = 0;
  MdsFile raw;
  std::optional<MdsFile> packed;  // as compressed; the file that is there, then
  std::string compression;        // "none" or the algorithm, without its level
};

// What index.json of an MDS split says (docs: MosaicML Streaming, version 2), checked: every field that the
// format demands is there and of its type, all shards have the same columns with encodings that are known and
// no pickle, file names stay inside the folder, and there is at least one sample.
struct MdsIndex {
  std::filesystem::path folder;
  std::vector<MdsColumn> columns;  // in the order of the index, which is the order inside a sample
  std::vector<MdsShardInfo> shards;
  std::int64_t samples = 0;

  [[nodiscard]] std::size_t shard_of(std::int64_t sample) const;
  [[nodiscard]] std::filesystem::path raw_path(std::size_t shard) const;
  [[nodiscard]] std::filesystem::path packed_path(std::size_t shard) const;
  // Whether the compressed file is the one to read: it is there. Else the raw file is, also where a
  // compression is named (a cache that unpacked it and dropped the rest).
  [[nodiscard]] bool reads_packed(std::size_t shard) const;
};

// Error(data) names the file, the shard, the field and what was expected.
MdsIndex read_mds_index(const std::filesystem::path& folder);
// Every shard's file is there with the length that the index gives; one stat a shard.
void check_shard_files(const MdsIndex& index);

// "ndarray:uint8:1,28,28" -> {"uint8", {1, 28, 28}}; nullopt where it is no ndarray of fixed type and shape.
struct ArrayEncoding {
  std::string dtype;
  std::vector<std::int64_t> dims;
  std::int64_t bytes;
};
std::optional<ArrayEncoding> parse_array_encoding(std::string_view encoding);

}  // namespace ebb::data
