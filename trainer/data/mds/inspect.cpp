// SPDX-License-Identifier: Apache-2.0
#include "data/mds/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/units.h"
#include "data/mds/columns.h"
#include "data/mds/hashes.h"
#include "data/mds/index.h"
#include "data/mds/picture_column.h"
#include "data/mds/reader.h"
#include "data/pictures/sample.h"

namespace ebb::data {
namespace fs = std::filesystem;
namespace {

// One open shard: in its file, or unpacked into memory of its own.
struct OpenShard {
  std::unique_ptr<std::byte[]> unpacked;
  std::optional<MdsShard> shard;
};

void open_checked(const MdsIndex& index, std::size_t number, OpenShard& opened) {
  opened.shard.reset();
  if (index.reads_packed(number)) {
    // Not zeroed: the index may name more bytes than the file has, and no memory is taken for those.
    const auto bytes = static_cast<std::size_t>(index.shards[number].raw.bytes);
    opened.unpacked = std::make_unique_for_overwrite<std::byte[]>(bytes);
    const std::span<std::byte> unpacked(opened.unpacked.get(), bytes);
    unpack_shard(index, number, unpacked, true);
    opened.shard.emplace(index, number, std::span<const std::byte>(unpacked));
  } else {
    ReadFile file(index.raw_path(number), ExitCode::data);
    check_hashes(index.raw_path(number), file, index.shards[number].raw);
    opened.shard.emplace(index, number, std::move(file));
  }
  opened.shard->check_offsets();
}

std::string preview(const MdsColumn& column, const std::vector<std::byte>& value, std::int64_t bytes) {
  if (column.encoding == "int" || column.encoding == "int64") {
    std::uint64_t number = 0;
    for (std::size_t i = 0; i < 8; ++i) number |= std::to_integer<std::uint64_t>(value[i]) << (8 * i);
    return fmt::format("{}", static_cast<std::int64_t>(number));
  }
  const auto array = parse_array_encoding(column.encoding);
  if (array && array->dtype == "uint8") {
    const auto [least, most] = std::minmax_element(value.begin(), value.end());
    double sum = 0;
    for (const std::byte b : value) sum += std::to_integer<int>(b);
    return fmt::format("{} to {}, mean {:.1f}{}", std::to_integer<int>(*least), std::to_integer<int>(*most),
                       sum / static_cast<double>(value.size()),
                       column.name == core::kImageField && has_channels_last(array->dims)
                           ? "; axes H,W,C, read as C,H,W"
                           : "");
  }
  if (column.encoding == "str" || column.encoding == "json" || column.encoding.starts_with("str_")) {
    std::string text;
    for (const std::byte b : value) {
      const int c = std::to_integer<int>(b);
      text += c < 0x20 || c == 0x7f ? '?' : static_cast<char>(c);
    }
    return fmt::format("\"{}\"{}", text, bytes > std::ssize(value) ? "..." : "");
  }
  return fmt::format("{} bytes", bytes);
}

// The size of the first picture; of a damaged one the fault.
std::string picture_text(const MdsIndex& index, std::size_t column, const MdsShard& first) {
  try {
    const auto shard = [&first]() -> const MdsShard& { return first; };
    const core::FieldSpec field = MdsPictures(index, column, {}).field(shard);
    return fmt::format("{} x {} pixels (width x height)", field.dims[2], field.dims[1]);
  } catch (const Error& error) {
    if (error.code() != ExitCode::data) throw;
    return fmt::format("damaged: {}", error.what());
  }
}

std::string hash_names(const MdsIndex& index) {
  std::string names;
  for (const auto& [algorithm, hex] : index.shards.front().raw.hashes)
    names += (names.empty() ? "" : ", ") + algorithm + (StreamHash::knows(algorithm) ? "" : " (not checked)");
  return names.empty() ? "none" : names;
}

struct Totals {
  std::int64_t on_disk = 0, unpacked = 0;
  std::string compression = "none";
};

Totals total(const MdsIndex& index) {
  Totals totals;
  for (std::size_t i = 0; i < index.shards.size(); ++i) {
    const MdsShardInfo& shard = index.shards[i];
    totals.on_disk += index.reads_packed(i) ? shard.packed->bytes : shard.raw.bytes;
    totals.unpacked += shard.raw.bytes;
    if (index.reads_packed(i)) totals.compression = shard.compression;
  }
  return totals;
}

std::string packed_from(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder / "pack.json", ignored)) return "";
  const auto record = parse_json_or_discard(read_file(folder / "pack.json", ExitCode::data));
  std::string names;
  for (const char* key : {"images", "labels", "source"}) {
    if (!record.is_object() || !record.contains(key) || !record[key].is_object()) continue;
    const auto name = record[key].find("name");
    if (name != record[key].end() && !name->is_string())
      throw Error(ExitCode::data, fmt::format("{}: the 'name' of its '{}' is a {}, not a string: pack the "
                                              "dataset again",
                                              (folder / "pack.json").string(), key, name->type_name()));
    names += (names.empty() ? "" : ", ") + (name == record[key].end() ? "?" : name->get<std::string>());
  }
  return names.empty() ? "" : fmt::format("packed from  {}\n", names);
}

}  // namespace

std::string inspect_mds(const fs::path& folder) {
  constexpr std::int64_t kPreviewBytes = 64;
  const MdsIndex index = read_mds_index(folder);
  check_shard_files(index);
  const Totals totals = total(index);
  std::string text = fmt::format("{}\n", folder.string());
  text += "format       mds, version 2\n";
  text += fmt::format("samples      {}\n", index.samples);
  text += fmt::format("shards       {}, {} on disk\n", index.shards.size(), format_bytes(totals.on_disk));
  text += totals.compression == "none" ? "compression  none\n"
                                       : fmt::format("compression  {}, {} unpacked\n", totals.compression,
                                                     format_bytes(totals.unpacked));
  text += fmt::format("hashes       {}\n", hash_names(index));
  text += packed_from(folder);
  OpenShard opened;
  open_checked(index, 0, opened);
  text += "columns      (name, encoding, bytes per sample, value in sample 0)\n";
  for (std::size_t c = 0; c < index.columns.size(); ++c) {
    const MdsColumn& column = index.columns[c];
    const auto extent = opened.shard->find(0, c);
    const std::int64_t shown = column.bytes ? extent.bytes : std::min(extent.bytes, kPreviewBytes);
    std::vector<std::byte> value(static_cast<std::size_t>(shown));
    opened.shard->read_at(extent.begin, value);
    const std::string shown_value = is_picture_column(column) ? picture_text(index, c, *opened.shard)
                                                              : preview(column, value, extent.bytes);
    text += fmt::format("  {:<10} {:<24} {:<8} {}\n", column.name, column.encoding,
                        column.bytes ? std::to_string(*column.bytes) : "varies", shown_value);
  }
  return text;
}

std::string verify_mds(const fs::path& folder, const Progress& progress) {
  const MdsIndex index = read_mds_index(folder);
  check_shard_files(index);
  const Totals totals = total(index);
  std::optional<MdsPictures> pictures;
  for (std::size_t c = 0; c < index.columns.size(); ++c)
    if (is_picture_column(index.columns[c])) pictures.emplace(index, c, PictureConfig{});
  PictureFaults faults;
  OpenShard opened;
  for (std::size_t i = 0; i < index.shards.size(); ++i) {
    const MdsShardInfo& shard = index.shards[i];
    if (progress) progress(shard.first, index.samples);
    open_checked(index, i, opened);
    for (std::int64_t s = 0; s < shard.samples; ++s) {
      (void)opened.shard->find(s, 0);
      if (pictures) faults.check([&] { (void)pictures->decode(*opened.shard, s); });
    }
  }
  faults.require_none(folder.string(), "picture", "write the dataset again without");
  if (progress) progress(index.samples, index.samples);
  return fmt::format("{} is intact: {} samples in {} shards, {}, hashes: {}", folder.string(), index.samples,
                     index.shards.size(), format_bytes(totals.on_disk), hash_names(index));
}

}  // namespace ebb::data
