// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/file.h"
#include "data/mds/index.h"

namespace ebb::data {

// One open shard. A raw shard is read from its file at offsets. An unpacked one is in memory that the caller
// keeps alive. Holds no table of offsets. Every error is Error(data) with the shard's file, sample and byte.
class MdsShard {
 public:
  // `index` must outlive the shard.
  MdsShard(const MdsIndex& index, std::size_t number, ReadFile file);
  MdsShard(const MdsIndex& index, std::size_t number, std::span<const std::byte> unpacked);

  [[nodiscard]] std::size_t number() const { return number_; }
  [[nodiscard]] std::string path() const;  // of the file that it comes from
  // Checks the whole table of offsets: it has as many samples as the index, offsets never decrease, and the
  // last one is the shard's end.
  void check_offsets() const;
  // A column's bytes within the shard. Checks that the parts of the sample add up to its length.
  struct Extent {
    std::int64_t begin, bytes;
  };
  [[nodiscard]] Extent find(std::int64_t sample, std::size_t column) const;
  void read_at(std::int64_t offset, std::span<std::byte> out) const;
  [[noreturn]] void fail(std::int64_t sample, std::int64_t offset, const std::string& what) const;

 private:
  [[nodiscard]] std::uint32_t word_at(std::int64_t offset) const;
  [[nodiscard]] std::int64_t header_bytes() const;
  [[nodiscard]] const MdsShardInfo& info() const { return index_->shards[number_]; }

  const MdsIndex* index_;
  std::size_t number_;
  std::optional<ReadFile> file_;
  std::span<const std::byte> unpacked_;
};

// Checks a file's length and every known hash of `expected`. Error(data), with both values, if one
// differs.
void check_hashes(const std::filesystem::path& path, const ReadFile& file, const MdsFile& expected);

// Reads a zstd shard into `out`, which has the length of the raw file. With `hashes`, it also checks the
// hashes of the compressed file and of its contents. Memory: zstd's window and two small blocks.
void unpack_shard(const MdsIndex& index, std::size_t number, std::span<std::byte> out, bool hashes);

}  // namespace ebb::data
