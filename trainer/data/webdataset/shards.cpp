// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/shards.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "data/test_share.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kPacked{{{".tar.gz", "gunzip"},
                                                                                {".tgz", "gunzip"},
                                                                                {".tar.zst", "unzstd"},
                                                                                {".tar.zstd", "unzstd"},
                                                                                {".tar.bz2", "bunzip2"},
                                                                                {".tar.xz", "unxz"},
                                                                                {".txz", "unxz"}}};

bool is_shard_name(const std::string& name) {
  return !name.starts_with('.') &&
         (name.ends_with(".tar") ||
          std::ranges::any_of(kPacked, [&](const auto& p) { return name.ends_with(p.first); }));
}

// The names of archives in a folder, sorted.
std::vector<std::string> shard_names(const fs::path& folder) {
  std::vector<std::string> names;
  for_each_entry(folder, [&names](const fs::directory_entry& entry) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    if (is_shard_name(name) && !entry.is_directory(ignored)) names.push_back(name);
  });
  std::ranges::sort(names);
  return names;
}

bool holds_prefix(const std::vector<std::string>& names, std::string_view prefix) {
  return std::ranges::any_of(names, [prefix](const std::string& name) { return name.starts_with(prefix); });
}

void refuse_packed(const fs::path& shard) {
  for (const auto& [ending, command] : kPacked)
    if (shard.filename().string().ends_with(ending))
      throw Error(
          ExitCode::data,
          fmt::format("{} is compressed: samples cannot be read from the middle of it; unpack it by `{} "
                      "{}` first",
                      shard.string(), command, shard.string()));
}

}  // namespace

ShardSplits shard_splits(const fs::path& source) {
  std::error_code ignored;
  const bool train = fs::is_directory(source / "train", ignored);
  const bool test = fs::is_directory(source / "test", ignored);
  if (train && test) return ShardSplits::folders;
  if (!fs::is_directory(source, ignored)) return ShardSplits::none;
  const std::vector<std::string> names = shard_names(source);
  if (names.empty() && (train || test)) refuse_one_split_folder(source, train);
  const bool training = holds_prefix(names, "train-"), testing = holds_prefix(names, "test-");
  const std::string one = training ? "train-" : "test-", other = training ? "test-" : "train-";
  const auto has_other_name = [&](const std::string& name) { return !name.starts_with(one); };
  // The others may be a validation split, which must not get into the training.
  if (training != testing && std::ranges::any_of(names, has_other_name))
    throw Error(ExitCode::data,
                fmt::format("{} has archives {}*.tar and {}, but no {}*.tar: give the other split this name "
                            "(val-*.tar of other programs is test-*.tar here), or move one of them away",
                            source.string(), one, *std::ranges::find_if(names, has_other_name), other));
  return training && testing ? ShardSplits::prefixes : ShardSplits::none;
}

std::vector<fs::path> shards_of(const fs::path& source, const std::string& split) {
  std::error_code ignored;
  const ShardSplits splits = shard_splits(source);
  std::vector<fs::path> shards;
  if (fs::is_directory(source, ignored)) {
    const fs::path folder = splits == ShardSplits::folders ? source / split : source;
    const std::string prefix = splits == ShardSplits::prefixes ? split + "-" : "";
    for (const std::string& name : shard_names(folder))
      if (name.starts_with(prefix)) shards.push_back(folder / name);
    if (shards.empty())
      throw Error(ExitCode::data, fmt::format("{} holds no archive {}*.tar", folder.string(), prefix));
  } else {
    shards.push_back(source);
  }
  for (const fs::path& shard : shards) refuse_packed(shard);
  return shards;
}

bool holds_shards(const fs::path& path) {
  std::error_code ignored;
  if (fs::is_regular_file(path, ignored)) return is_shard_name(path.filename().string());
  const auto holds = [&ignored](const fs::path& folder) {
    return fs::is_directory(folder, ignored) && !shard_names(folder).empty();
  };
  try {
    return holds(path) || holds(path / "train") || holds(path / "test");
  } catch (const Error&) {
    return false;  // it cannot be listed
  }
}

}  // namespace ebb::data
