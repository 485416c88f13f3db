// SPDX-License-Identifier: Apache-2.0
#include "data/mds/index.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <unordered_set>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "data/mds/encodings.h"
#include "data/mds/hashes.h"

namespace ebb::data {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

// A value of the index with the place that errors report.
class Node {
 public:
  Node(const json& value, std::string where) : value_(value), where_(std::move(where)) {}

  [[nodiscard]] Node at(const char* key) const {
    if (!value_.is_object()) fail("is not an object");
    const auto found = value_.find(key);
    if (found == value_.end()) fail(fmt::format("has no '{}'", key));
    return {*found, fmt::format("{}, '{}'", where_, key)};
  }
  [[nodiscard]] std::int64_t integer(std::int64_t least) const {
    if (!value_.is_number_integer()) fail(fmt::format("is {}, not a whole number", value_.dump()));
    if (!is_whole_number(value_, least, std::int64_t{1} << 62))
      fail(fmt::format("is {}, which is invalid", value_.dump()));
    return value_.get<std::int64_t>();
  }
  [[nodiscard]] std::string text() const {
    if (!value_.is_string()) fail(fmt::format("is {}, not a string", value_.dump()));
    return value_.get<std::string>();
  }
  [[nodiscard]] const json& array() const {
    if (!value_.is_array()) fail("is not a list");
    return value_;
  }
  [[nodiscard]] const json& object() const {
    if (!value_.is_object()) fail("is not an object");
    return value_;
  }
  [[nodiscard]] bool null() const { return value_.is_null(); }
  [[nodiscard]] const std::string& where() const { return where_; }
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ExitCode::data,
                fmt::format("{} {}; the index is damaged or not of this format", where_, what));
  }

 private:
  const json& value_;
  std::string where_;
};

constexpr std::int64_t kMostShardBytes = UINT32_MAX;
// A block of equal bytes: 128 KiB in 4 bytes (RFC 8878, 3.1.1.2).
constexpr std::int64_t kMostZstdRatio = 32768;

MdsFile parse_file(const Node& node) {
  MdsFile file;
  file.basename = node.at("basename").text();
  const fs::path path(file.basename);
  const bool leaves = std::find(path.begin(), path.end(), fs::path("..")) != path.end();
  if (file.basename.empty() || path.is_absolute() || leaves) {
    node.fail(fmt::format("names the file '{}', which is not inside the dataset's folder", file.basename));
  }
  file.bytes = node.at("bytes").integer(1);
  const Node hashes = node.at("hashes");
  for (const auto& [algorithm, hex] : hashes.object().items()) {
    const std::string digits = Node(hex, fmt::format("{}, '{}'", hashes.where(), algorithm)).text();
    file.hashes.emplace_back(algorithm, digits);
  }
  return file;
}

std::vector<MdsColumn> parse_columns(const Node& shard) {
  const Node names = shard.at("column_names");
  const Node encodings = shard.at("column_encodings");
  const Node sizes = shard.at("column_sizes");
  const std::size_t count = names.array().size();
  if (count == 0) names.fail("is empty");
  if (encodings.array().size() != count || sizes.array().size() != count) {
    shard.fail(fmt::format("has {} column names, {} encodings and {} sizes", count, encodings.array().size(),
                           sizes.array().size()));
  }
  std::vector<MdsColumn> columns;
  std::unordered_set<std::string> seen;
  for (std::size_t i = 0; i < count; ++i) {
    MdsColumn column;
    column.name = Node(names.array()[i], names.where()).text();
    column.encoding = Node(encodings.array()[i], encodings.where()).text();
    const Node size(sizes.array()[i], fmt::format("{} of column '{}'", sizes.where(), column.name));
    if (!size.null()) column.bytes = size.integer(0);
    if (column.bytes > kMostShardBytes)
      size.fail(fmt::format("is {}, more than a shard's offsets of 32 bits can address", *column.bytes));
    // A column that nobody reads only needs its length.
    const auto expected = !is_known_encoding(column.encoding)
                              ? column.bytes
                              : fixed_bytes(column.name, column.encoding, shard.where());
    if (expected != column.bytes) {
      const auto word = [](const std::optional<std::int64_t>& n) { return n ? std::to_string(*n) : "null"; };
      size.fail(fmt::format("is {}, but the encoding {} takes {}", word(column.bytes), column.encoding,
                            word(expected)));
    }
    if (!seen.insert(column.name).second) names.fail(fmt::format("has '{}' twice", column.name));
    columns.push_back(std::move(column));
  }
  return columns;
}

MdsShardInfo parse_shard(const Node& node) {
  if (const auto format = node.at("format").text(); format != "mds") {
    node.fail(fmt::format("has the format '{}'; only mds is read here", format));
  }
  if (const auto version = node.at("version").integer(0); version != 2) {
    node.fail(fmt::format("has version {}; only version 2 is read here", version));
  }
  MdsShardInfo shard;
  shard.samples = node.at("samples").integer(0);
  shard.raw = parse_file(node.at("raw_data"));
  if (shard.raw.bytes > kMostShardBytes)
    node.fail(fmt::format("has a raw file of {} bytes, more than its offsets of 32 bits can address",
                          shard.raw.bytes));
  shard.compression = "none";
  const Node compression = node.at("compression");
  if (!compression.null()) {
    const std::string text = compression.text();
    shard.compression = text.substr(0, text.find(':'));
  }
  const Node packed = node.at("zip_data");
  if (!packed.null()) shard.packed = parse_file(packed);
  if (shard.packed.has_value() == compression.null()) {
    node.fail("needs both 'compression' and 'zip_data', or neither");
  }
  // A shard begins with its count of samples and one offset more than samples, of 4 bytes each.
  if (shard.samples > 0 && shard.samples > shard.raw.bytes / 4 - 2)
    node.fail(
        fmt::format("has {} samples, but the offsets of so many do not fit into its raw file of {} bytes",
                    shard.samples, shard.raw.bytes));
  if (shard.compression == "zstd" && shard.raw.bytes / kMostZstdRatio > shard.packed->bytes)
    node.fail(
        fmt::format("has a packed file of {} bytes, but zstd cannot pack its raw file of {} bytes into "
                    "fewer than {} bytes",
                    shard.packed->bytes, shard.raw.bytes, shard.raw.bytes / kMostZstdRatio));
  return shard;
}

bool same(const std::vector<MdsColumn>& a, const std::vector<MdsColumn>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const MdsColumn& x, const MdsColumn& y) {
    return x.name == y.name && x.encoding == y.encoding && x.bytes == y.bytes;
  });
}

void check_file(const fs::path& path, const MdsFile& file) {
  std::error_code error;
  const auto bytes = fs::file_size(path, error);
  if (error) {
    throw Error(ExitCode::data, fmt::format("cannot read {}, a shard that the index names: {}", path.string(),
                                            error.message()));
  }
  if (static_cast<std::int64_t>(bytes) != file.bytes) {
    throw Error(
        ExitCode::data,
        fmt::format(
            "{} has {} bytes, the index has {}: it is truncated or was replaced; copy or pack it again",
            path.string(), bytes, file.bytes));
  }
}

}  // namespace

std::size_t MdsIndex::shard_of(std::int64_t sample) const {
  const auto after =
      std::upper_bound(shards.begin(), shards.end(), sample,
                       [](std::int64_t s, const MdsShardInfo& shard) { return s < shard.first; });
  return static_cast<std::size_t>(after - shards.begin()) - 1;
}

fs::path MdsIndex::raw_path(std::size_t shard) const {
  return folder / shards[shard].raw.basename;
}
fs::path MdsIndex::packed_path(std::size_t shard) const {
  return folder / shards[shard].packed->basename;
}
bool MdsIndex::reads_packed(std::size_t shard) const {
  if (!shards[shard].packed) return false;
  std::error_code error;
  const auto bytes = fs::file_size(raw_path(shard), error);
  if (error) return true;
  // The unpacking of another program may have been interrupted.
  const bool whole = static_cast<std::int64_t>(bytes) == shards[shard].raw.bytes;
  return !whole && fs::exists(packed_path(shard), error);
}

MdsIndex read_mds_index(const fs::path& folder) {
  const fs::path path = folder / "index.json";
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    throw Error(
        ExitCode::data,
        fmt::format(
            "{} is not an MDS dataset: it has no index.json{}. `ebb data pack` makes a dataset; give the "
            "folder of a split, such as train",
            folder.string(), fs::is_directory(folder, ignored) ? "" : " (the folder does not exist)"));
  }
  const std::string text = read_file(path, ExitCode::data);
  json document;
  try {
    document = parse_json(text);
  } catch (const JsonError& error) {
    throw Error(ExitCode::data, fmt::format("{} is not JSON: it is damaged or truncated", path.string()),
                error);
  }
  const Node root(document, path.string());
  if (const auto version = root.at("version").integer(0); version != 2) {
    root.fail(fmt::format("has version {}; only version 2 of MDS is read here", version));
  }
  MdsIndex index;
  index.folder = folder;
  const Node shards = root.at("shards");
  for (std::size_t i = 0; i < shards.array().size(); ++i) {
    const Node node(shards.array()[i], fmt::format("{}: shard {}", path.string(), i));
    MdsShardInfo shard = parse_shard(node);
    auto columns = parse_columns(node);
    if (i == 0) {
      index.columns = std::move(columns);
    } else if (!same(columns, index.columns)) {
      node.fail("has other columns than shard 0");
    }
    shard.first = index.samples;
    index.samples += shard.samples;
    if (shard.samples > 0) index.shards.push_back(std::move(shard));
  }
  if (index.samples == 0) {
    throw Error(ExitCode::data, fmt::format("{} is an empty dataset: it has no samples", path.string()));
  }
  return index;
}

void check_shard_files(const MdsIndex& index) {
  for (std::size_t i = 0; i < index.shards.size(); ++i) {
    const MdsShardInfo& shard = index.shards[i];
    if (!index.reads_packed(i)) {
      check_file(index.raw_path(i), shard.raw);
    } else if (shard.compression != "zstd") {
      throw Error(
          ExitCode::data,
          fmt::format("{} is compressed with {}; only zstd is read here: unpack it or pack it with zstd",
                      index.packed_path(i).string(), shard.compression));
    } else {
      check_file(index.packed_path(i), *shard.packed);
    }
  }
}

}  // namespace ebb::data
