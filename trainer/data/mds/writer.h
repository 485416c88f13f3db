// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "data/mds/index.h"

namespace ebb::data {

struct MdsWriterOptions {
  std::int64_t shard_bytes = 8 << 20;  // maximum unpacked size of a shard of several samples
  std::string compression = "none";    // "none" or "zstd"
};

// Writes an MDS split (version 2) into an existing folder: files shard.NNNNN.mds[.zstd], then index.json. The
// index has the XXH3-64 of each file and of its contents. Columns are sorted by name, as the format requires;
// values are given in that order. Memory: one shard, or two if it is compressed. Error(storage), with path
// and bytes, if the disk is full or fails. Error(usage) for impossible options.
class MdsWriter {
 public:
  // Sets each column's `bytes` from its encoding.
  MdsWriter(std::filesystem::path folder, std::vector<MdsColumn> columns, MdsWriterOptions options);

  [[nodiscard]] const std::vector<MdsColumn>& columns() const { return columns_; }
  void write(std::span<const std::span<const std::byte>> values);
  // Writes the last shard and the index. Before it, the split does not open. Do not call write() after it.
  void finish();

  [[nodiscard]] std::int64_t samples() const { return samples_; }
  [[nodiscard]] std::int64_t shards() const { return static_cast<std::int64_t>(shards_.size()); }
  [[nodiscard]] std::int64_t bytes() const { return bytes_; }  // of all shard files

 private:
  [[nodiscard]] std::int64_t shard_size(std::size_t samples, std::size_t body_bytes) const;
  void flush();

  std::filesystem::path folder_;
  std::vector<MdsColumn> columns_;
  MdsWriterOptions options_;
  std::string config_;           // the JSON text inside every shard
  std::vector<std::byte> body_;  // samples of the shard that is being filled
  std::vector<std::size_t> ends_;
  std::vector<std::string> shards_;  // their entries in the index, as JSON
  std::int64_t samples_ = 0;
  std::int64_t bytes_ = 0;
};

}  // namespace ebb::data
