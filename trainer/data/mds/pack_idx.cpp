// SPDX-License-Identifier: Apache-2.0
#include "data/mds/pack_idx.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <nlohmann/json.hpp>
#include <optional>
#include <system_error>
#include <vector>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/process.h"
#include "data/idx.h"
#include "data/mds/columns.h"
#include "data/mds/index.h"
#include "data/mds/writer.h"

namespace ebb::data {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr std::int64_t kProgressEvery = 1000;
constexpr const char* kRecord = "pack.json";

// "data/train/" and "data/train" are the same folder.
fs::path without_slash(const fs::path& path) {
  return path.has_filename() ? path : path.parent_path();
}

// Name, length and digest of a file. They identify it.
json fingerprint(const fs::path& path) {
  const ReadFile file(path, ExitCode::data);
  Digest digest;
  std::vector<std::byte> block(std::size_t{1} << 20);
  for (std::int64_t at = 0; at < file.size();) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(file.size() - at, std::ssize(block)));
    file.read_at(at, std::span(block).first(n));
    digest.add(std::span(block).first(n));
    at += static_cast<std::int64_t>(n);
  }
  return {{"name", printable(path.filename().string())}, {"bytes", file.size()}, {"xxh3_64", digest.hex()}};
}

json recipe(const PackOptions& options) {
  json all = {{"version", 1},
              {"images", fingerprint(options.images)},
              {"labels", options.labels.empty() ? json() : fingerprint(options.labels)},
              {"shard_bytes", options.shard_bytes},
              {"compression", options.compression}};
  if (options.pad > 0) all["pad"] = options.pad;
  return all;
}

// A folder that is removed unless keep() was called.
class PartialFolder {
 public:
  explicit PartialFolder(fs::path path) : path_(std::move(path)) { make_folders(path_); }
  PartialFolder(const PartialFolder&) = delete;
  PartialFolder& operator=(const PartialFolder&) = delete;
  ~PartialFolder() {
    std::error_code ignored;
    if (!kept_) fs::remove_all(path_, ignored);
  }
  void keep() { kept_ = true; }

 private:
  fs::path path_;
  bool kept_ = false;
};

// Removes what killed packs of this host left beside `out`. The folders of other hosts stay: this host cannot
// check whether their process is alive.
void remove_leftovers(const fs::path& out) {
  const std::string prefix = fmt::format("{}.partial.{}.", out.filename().string(), host_name());
  std::error_code error;
  std::vector<fs::path> dead;
  for (const auto& entry : fs::directory_iterator(out.parent_path(), error)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    pid_t pid = 0;
    const auto [end, fault] = std::from_chars(name.data() + prefix.size(), name.data() + name.size(), pid);
    if (fault != std::errc{} || end != name.data() + name.size() || pid <= 0 || pid == ::getpid()) continue;
    if (::kill(pid, 0) != 0 && errno == ESRCH) dead.push_back(entry.path());
  }
  for (const fs::path& path : dead) fs::remove_all(path, error);
}

std::string differences(const json& here, const json& wanted) {
  std::string text;
  for (const auto& [key, value] : wanted.items()) {
    if (here.value(key, json()) == value) continue;
    text += fmt::format("{}{} ({} there, {} asked for)", text.empty() ? "" : ", ", key,
                        here.value(key, json()).dump(), value.dump());
  }
  return text;
}

// The result of an earlier run in `out`; empty if the folder does not exist or is empty.
std::optional<PackResult> find_existing(const fs::path& out, const json& wanted) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(out, error))) return std::nullopt;
  if (!fs::is_directory(out, error)) {
    throw Error(ExitCode::usage,
                fmt::format("{} exists and is not a folder; give another --out", out.string()));
  }
  const fs::path record = out / kRecord;
  if (!fs::exists(record, error)) {
    const fs::directory_iterator first(out, error);
    if (first == fs::directory_iterator()) return std::nullopt;
    throw Error(ExitCode::usage, fmt::format("{} exists and holds files that this command did not write, "
                                             "such as {}; choose another folder, or move it away",
                                             out.string(), first->path().filename().string()));
  }
  const json here = parse_json_or_discard(read_file(record, ExitCode::data));
  if (!here.is_object() || !here.contains("samples") || !here.contains("shards") || !here.contains("bytes")) {
    throw Error(ExitCode::data, fmt::format("{} is damaged; remove the folder {} and pack again",
                                            record.string(), out.string()));
  }
  if (const std::string other = differences(here, wanted); !other.empty()) {
    throw Error(ExitCode::usage,
                fmt::format("{} was packed from other inputs or with other options: {}; give another "
                            "folder, or remove this one",
                            out.string(), other));
  }
  try {
    if (digest_hex(read_file(out / "index.json", ExitCode::data)) != here.value("index_xxh3_64", "")) {
      throw Error(ExitCode::data, fmt::format("{} was changed", (out / "index.json").string()));
    }
    check_shard_files(read_mds_index(out));
  } catch (const Error& fault) {
    throw Error(ExitCode::data,
                fmt::format("{} was packed before and is damaged now; remove the folder and pack again",
                            out.string()),
                fault);
  }
  return PackResult{here["samples"], here["shards"], here["bytes"], true};
}

// The shape of the images of a file, and that of their padded form.
struct ImageShape {
  std::size_t channels, height, width;
  std::size_t padded_height, padded_width;
  bool channels_last;  // in the file
};

ImageShape image_shape(const IdxReader& images, const PackOptions& options) {
  const fs::path& path = options.images;
  const auto& dims = images.dims();
  if (dims.size() != 3 && dims.size() != 4) {
    throw Error(ExitCode::data,
                fmt::format("{} has {} dimensions; images have 3 (count, height, width) or 4 (count, "
                            "channels, height, width)",
                            path.string(), dims.size()));
  }
  const bool grey = dims.size() == 3;
  const auto size = [&](std::size_t i) { return static_cast<std::size_t>(dims[i]); };
  ImageShape shape{grey ? 1 : size(1), size(dims.size() - 2), size(dims.size() - 1), 0, 0, false};
  if (has_channels_last({dims.begin() + 1, dims.end()})) shape = {size(3), size(1), size(2), 0, 0, true};
  const auto pad = static_cast<std::size_t>(options.pad);
  if (pad > 0 && pad < std::max(shape.height, shape.width))
    throw Error(ExitCode::usage,
                fmt::format("data pack: --pad {} is less than the sides of the images of {}, {} x {}", pad,
                            path.string(), shape.height, shape.width));
  shape.padded_height = pad > 0 ? pad : shape.height;
  shape.padded_width = pad > 0 ? pad : shape.width;
  return shape;
}

MdsColumn image_column(const ImageShape& shape) {
  return {"image",
          fmt::format("ndarray:uint8:{},{},{}", shape.channels, shape.padded_height, shape.padded_width),
          {}};
}

// Copies an image into the middle of `padded`, whose border stays as it is.
void pad_image(const ImageShape& s, const std::vector<std::byte>& image, std::vector<std::byte>& padded) {
  const std::size_t top = (s.padded_height - s.height) / 2, left = (s.padded_width - s.width) / 2;
  for (std::size_t row = 0; row < s.channels * s.height; ++row) {
    const std::size_t channel = row / s.height, y = row % s.height;
    std::copy_n(image.data() + row * s.width, s.width,
                padded.data() + (channel * s.padded_height + top + y) * s.padded_width + left);
  }
}

void write_samples(MdsWriter& writer, const ImageShape& shape, IdxReader& images, IdxReader* labels,
                   const Progress& progress) {
  std::vector<std::byte> image(static_cast<std::size_t>(images.item_bytes()));
  std::vector<std::byte> channels_first(shape.channels_last ? image.size() : 0);
  std::byte label{};
  std::array<std::byte, 8> wide{};  // int is a little-endian i64
  std::vector<std::byte> padded(shape.channels * shape.padded_height * shape.padded_width);
  const std::array<std::span<const std::byte>, 2> values = {std::span<const std::byte>(padded), wide};
  const std::size_t columns = labels != nullptr ? 2 : 1;
  for (std::int64_t i = 0; i < images.items(); ++i) {
    if (progress && i % kProgressEvery == 0) progress(i, images.items());
    images.read(image);
    if (shape.channels_last) {
      split_channels(image, shape.channels, channels_first);
      image.swap(channels_first);
    }
    pad_image(shape, image, padded);
    if (labels != nullptr) {
      labels->read({&label, 1});
      wide[0] = label;
    }
    writer.write(std::span(values).first(columns));
  }
  images.finish();
  if (labels != nullptr) labels->finish();
  writer.finish();
  if (progress) progress(images.items(), images.items());
}

}  // namespace

PackResult pack_idx(const PackOptions& given, const Progress& progress) {
  PackOptions options = given;
  options.out = fs::absolute(without_slash(given.out)).lexically_normal();
  IdxReader images(options.images);
  const ImageShape shape = image_shape(images, options);
  json wanted = recipe(options);
  if (shape.channels_last) wanted["axes"] = "H,W,C";
  if (const auto existing = find_existing(options.out, wanted)) return *existing;

  std::optional<IdxReader> labels;
  std::vector<MdsColumn> columns = {image_column(shape)};
  if (!options.labels.empty()) {
    labels.emplace(options.labels);
    if (labels->dims().size() != 1 || labels->items() != images.items()) {
      throw Error(
          ExitCode::data,
          fmt::format(
              "{} has {} dimensions and {} items; labels for the {} images of {} have one dimension and "
              "as many items",
              options.labels.string(), labels->dims().size(), labels->items(), images.items(),
              options.images.string()));
    }
    columns.push_back({"label", "int", {}});
  }

  make_folders(options.out.parent_path());
  remove_leftovers(options.out);
  const fs::path partial =
      fmt::format("{}.partial.{}.{}", options.out.string(), host_name(), static_cast<int>(::getpid()));
  PartialFolder guard(partial);
  MdsWriter writer(partial, columns, {options.shard_bytes, options.compression});
  write_samples(writer, shape, images, labels ? &*labels : nullptr, progress);

  const PackResult result{writer.samples(), writer.shards(), writer.bytes(), false};
  json record = wanted;
  record["samples"] = result.samples;
  record["shards"] = result.shards;
  record["bytes"] = result.bytes;
  record["index_xxh3_64"] = digest_hex(read_file(partial / "index.json", ExitCode::storage));
  write_file_atomically(partial / kRecord, record.dump(2) + "\n");
  sync_folder(partial);
  if (::rename(partial.c_str(), options.out.c_str()) != 0) {
    const int error = errno;
    // Another pack may have finished first. Its result is then used.
    if (const auto existing = find_existing(options.out, wanted)) return *existing;
    throw Error(ExitCode::storage, fmt::format("cannot rename {} to {}: {}", partial.string(),
                                               options.out.string(), std::generic_category().message(error)));
  }
  guard.keep();
  sync_folder(options.out.parent_path());
  return result;
}

}  // namespace ebb::data
