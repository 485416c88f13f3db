// SPDX-License-Identifier: Apache-2.0
#include "data/mds/pack_split.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/atomic_file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/process.h"
#include "data/mds/index.h"

namespace ebb::data {
namespace fs = std::filesystem;
namespace {

using nlohmann::json;

constexpr const char* kRecord = "pack.json";
constexpr std::array<std::string_view, 4> kResults = {"samples", "shards", "bytes", "index_xxh3_64"};
constexpr std::int64_t kMostCounted = std::int64_t{1} << 62;

json file_fingerprint(const fs::path& input) {
  const ReadFile file(input, ExitCode::data);
  Digest digest;
  std::vector<std::byte> block(std::size_t{1} << 20);
  for (std::int64_t at = 0; at < file.size();) {
    const auto n = static_cast<std::size_t>(std::min<std::int64_t>(file.size() - at, std::ssize(block)));
    file.read_at(at, std::span(block).first(n));
    digest.add(std::span(block).first(n));
    at += static_cast<std::int64_t>(n);
  }
  return {{"name", printable(input.filename().string())}, {"bytes", file.size()}, {"xxh3_64", digest.hex()}};
}

json folder_fingerprint(const fs::path& input) {
  std::vector<std::string> files;
  std::int64_t bytes = 0;
  std::error_code error, unknown;
  // The splits of a source may be links.
  for (fs::recursive_directory_iterator entry(input, fs::directory_options::follow_directory_symlink, error),
       end;
       !error && entry != end; entry.increment(error)) {
    if (!entry->is_regular_file(unknown)) continue;
    const auto size = static_cast<std::int64_t>(entry->file_size(unknown));
    const auto time = entry->last_write_time(unknown).time_since_epoch().count();
    files.push_back(fmt::format("{}\n{} {}\n", entry->path().lexically_relative(input).string(), size, time));
    bytes += size;
  }
  if (error) throw Error(ExitCode::data, fmt::format("cannot list {}: {}", input.string(), error.message()));
  std::ranges::sort(files);
  Digest digest;
  for (const std::string& file : files) digest.add(std::as_bytes(std::span(file)));
  return {{"name", printable(pack_folder(input).filename().string())},
          {"files", files.size()},
          {"bytes", bytes},
          {"xxh3_64", digest.hex()}};
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
  for (const auto& [key, value] : here.items()) {
    if (wanted.contains(key) || std::ranges::find(kResults, key) != kResults.end()) continue;
    text += fmt::format("{}{} ({} there, not asked for)", text.empty() ? "" : ", ", key, value.dump());
  }
  return text;
}

}  // namespace

fs::path pack_folder(const fs::path& out) {
  const fs::path whole = fs::absolute(out).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

json fingerprint(const fs::path& input) {
  std::error_code ignored;
  return fs::is_directory(input, ignored) ? folder_fingerprint(input) : file_fingerprint(input);
}

std::optional<PackResult> find_packed_split(const fs::path& out, const json& recipe) {
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
  const auto counts = [&](const char* key) {
    return here.contains(key) && is_whole_number(here[key], 0, kMostCounted);
  };
  if (!here.is_object() || !counts("samples") || !counts("shards") || !counts("bytes") ||
      !here.value("index_xxh3_64", json()).is_string()) {
    throw Error(ExitCode::data, fmt::format("{} is damaged; remove the folder {} and pack again",
                                            record.string(), out.string()));
  }
  if (const std::string other = differences(here, recipe); !other.empty()) {
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

PackResult pack_split(const fs::path& out, const json& recipe, std::vector<MdsColumn> columns,
                      const MdsWriterOptions& options, const std::function<void(MdsWriter&)>& write) {
  if (const auto existing = find_packed_split(out, recipe)) return *existing;
  make_folders(out.parent_path());
  remove_leftovers(out);
  const fs::path partial =
      fmt::format("{}.partial.{}.{}", out.string(), host_name(), static_cast<int>(::getpid()));
  PartialFolder guard(partial);
  MdsWriter writer(partial, std::move(columns), options);
  write(writer);

  const PackResult result{writer.samples(), writer.shards(), writer.bytes(), false};
  json record = recipe;
  record["samples"] = result.samples;
  record["shards"] = result.shards;
  record["bytes"] = result.bytes;
  record["index_xxh3_64"] = digest_hex(read_file(partial / "index.json", ExitCode::storage));
  write_file_atomically(partial / kRecord, record.dump(2) + "\n");
  sync_folder(partial);
  if (::rename(partial.c_str(), out.c_str()) != 0) {
    const int error = errno;
    // Another pack may have finished first. Its result is then used.
    if (const auto existing = find_packed_split(out, recipe)) return *existing;
    throw Error(ExitCode::storage, fmt::format("cannot rename {} to {}: {}", partial.string(), out.string(),
                                               std::generic_category().message(error)));
  }
  guard.keep();
  sync_folder(out.parent_path());
  return result;
}

}  // namespace ebb::data
