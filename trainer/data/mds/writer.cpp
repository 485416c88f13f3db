// SPDX-License-Identifier: Apache-2.0
#include "data/mds/writer.h"

#include <fmt/format.h>
#include <zstd.h>

#include <algorithm>
#include <array>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "data/mds/encodings.h"

namespace ebb::data {
namespace {

using nlohmann::json;

constexpr int kZstdLevel = 3;
constexpr const char* kHash = "xxh3_64";
constexpr std::int64_t kLargestShard = std::numeric_limits<std::uint32_t>::max();

void put_word(std::vector<std::byte>& out, std::size_t value) {
  std::array<std::byte, 4> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(value >> 8 * i & 0xff);
  // With push_back(), GCC 14 takes the growth of the vector for a wrong delete.
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// The fields that a shard shares with its entry in the index.
json common_fields(const std::vector<MdsColumn>& columns, const MdsWriterOptions& options) {
  json fields = {{"column_names", json::array()},
                 {"column_encodings", json::array()},
                 {"column_sizes", json::array()},
                 {"compression", options.compression == "none" ? json() : json(options.compression)},
                 {"format", "mds"},
                 {"hashes", {kHash}},
                 {"size_limit", options.shard_bytes},
                 {"version", 2}};
  for (const MdsColumn& column : columns) {
    fields["column_names"].push_back(column.name);
    fields["column_encodings"].push_back(column.encoding);
    fields["column_sizes"].push_back(column.bytes ? json(*column.bytes) : json());
  }
  return fields;
}

json write_shard_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.append(bytes);
  file.commit();
  return {{"basename", path.filename().string()},
          {"bytes", bytes.size()},
          {"hashes", {{kHash, digest_hex(bytes)}}}};
}

}  // namespace

MdsWriter::MdsWriter(std::filesystem::path folder, std::vector<MdsColumn> columns, MdsWriterOptions options)
    : folder_(std::move(folder)), columns_(std::move(columns)), options_(std::move(options)) {
  if (options_.compression != "none" && options_.compression != "zstd") {
    throw Error(ExitCode::usage, fmt::format("shards cannot be written with compression '{}': none or zstd",
                                             options_.compression));
  }
  if (options_.shard_bytes < 1 || options_.shard_bytes > kLargestShard) {
    throw Error(ExitCode::usage,
                fmt::format("a shard cannot have {} bytes: allowed are 1 to {} (its offsets have 32 bits)",
                            options_.shard_bytes, kLargestShard));
  }
  if (columns_.empty()) throw Error(ExitCode::usage, "a dataset needs at least one column");
  std::sort(columns_.begin(), columns_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (MdsColumn& column : columns_)
    column.bytes = fixed_bytes(column.name, column.encoding, folder_.string());
  config_ = common_fields(columns_, options_).dump();
}

std::int64_t MdsWriter::shard_size(std::size_t samples, std::size_t body_bytes) const {
  return static_cast<std::int64_t>(4 * (samples + 2) + config_.size() + body_bytes);
}

void MdsWriter::write(std::span<const std::span<const std::byte>> values) {
  if (values.size() != columns_.size()) {
    throw Error(ExitCode::internal, fmt::format("sample {} was given {} values for {} columns", samples_,
                                                values.size(), columns_.size()));
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto size = static_cast<std::int64_t>(values[i].size());
    if (columns_[i].bytes && size != *columns_[i].bytes) {
      throw Error(ExitCode::internal, fmt::format("sample {}: column '{}' was given {} bytes, it takes {}",
                                                  samples_, columns_[i].name, size, *columns_[i].bytes));
    }
    bytes += values[i].size() + (columns_[i].bytes ? 0 : 4);
  }
  if (!ends_.empty() && shard_size(ends_.size() + 1, body_.size() + bytes) > options_.shard_bytes) flush();
  if (shard_size(1, bytes) > kLargestShard) {
    throw Error(ExitCode::data,
                fmt::format("sample {} of {} bytes is too large for a shard, whose offsets have 32 "
                            "bits",
                            samples_, bytes));
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!columns_[i].bytes) put_word(body_, values[i].size());
  }
  for (const auto& value : values) body_.insert(body_.end(), value.begin(), value.end());
  ends_.push_back(body_.size());
  ++samples_;
}

void MdsWriter::flush() {
  if (ends_.empty()) return;
  std::vector<std::byte> shard;
  shard.reserve(static_cast<std::size_t>(shard_size(ends_.size(), body_.size())));
  put_word(shard, ends_.size());
  const std::size_t begin = 4 * (ends_.size() + 2) + config_.size();
  put_word(shard, begin);
  for (const std::size_t end : ends_) put_word(shard, begin + end);
  const auto config = std::as_bytes(std::span<const char>(config_));
  shard.insert(shard.end(), config.begin(), config.end());
  shard.insert(shard.end(), body_.begin(), body_.end());

  json entry = common_fields(columns_, options_);
  entry["samples"] = ends_.size();
  const std::string name = fmt::format("shard.{:05}.mds", shards_.size());
  if (options_.compression == "none") {
    entry["raw_data"] = write_shard_file(folder_ / name, shard);
    entry["zip_data"] = nullptr;
    bytes_ += static_cast<std::int64_t>(shard.size());
  } else {
    entry["raw_data"] = {
        {"basename", name}, {"bytes", shard.size()}, {"hashes", {{kHash, digest_hex(shard)}}}};
    std::vector<std::byte> packed(ZSTD_compressBound(shard.size()));
    const std::size_t n = ZSTD_compress(packed.data(), packed.size(), shard.data(), shard.size(), kZstdLevel);
    if (ZSTD_isError(n)) {
      throw Error(ExitCode::internal, fmt::format("zstd cannot compress {}: {}", name, ZSTD_getErrorName(n)));
    }
    entry["zip_data"] = write_shard_file(folder_ / (name + ".zstd"), std::span(packed).first(n));
    bytes_ += static_cast<std::int64_t>(n);
  }
  shards_.push_back(entry.dump());
  body_.clear();
  ends_.clear();
}

void MdsWriter::finish() {
  flush();
  AtomicFile index(folder_ / "index.json");
  index.append(R"({"shards":[)");
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (i > 0) index.append(",");
    index.append(shards_[i]);
  }
  index.append("],\"version\":2}\n");
  index.commit();
}

}  // namespace ebb::data
