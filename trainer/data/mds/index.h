// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ebb::data {

// A column of MDS. `bytes` is empty if the length varies from sample to sample.
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
  std::optional<MdsFile> packed;  // the compressed file
  std::string compression;        // "none" or the algorithm, without its level
};

// The checked contents of an MDS split's index.json (MosaicML Streaming, version 2). Every required field
// exists and has its type. All shards have the same columns. Those in an unknown encoding, or pickled, have
// the length that the index gives. File names stay inside the folder. There is at least one sample.
struct MdsIndex {
  std::filesystem::path folder;
  std::vector<MdsColumn> columns;  // in the order of the index, which is the order inside a sample
  std::vector<MdsShardInfo> shards;
  std::int64_t samples = 0;

  [[nodiscard]] std::size_t shard_of(std::int64_t sample) const;
  [[nodiscard]] std::filesystem::path raw_path(std::size_t shard) const;
  [[nodiscard]] std::filesystem::path packed_path(std::size_t shard) const;
  // Whether the compressed file is read: only if there is no whole raw one. Another program's cache may
  // have unpacked the shard, with or without removing that file.
  [[nodiscard]] bool reads_packed(std::size_t shard) const;
};

// Error(data) names the file, the shard, the field and the expected value.
MdsIndex read_mds_index(const std::filesystem::path& folder);
// Error(data) unless every shard's file exists with the length in the index. One stat a shard.
void check_shard_files(const MdsIndex& index);

// "ndarray:uint8:1,28,28" -> {"uint8", {1, 28, 28}}; nullopt for anything but an ndarray of fixed type and
// shape.
struct ArrayEncoding {
  std::string dtype;
  std::vector<std::int64_t> dims;
  std::int64_t bytes;
};
std::optional<ArrayEncoding> parse_array_encoding(std::string_view encoding);

}  // namespace ebb::data
