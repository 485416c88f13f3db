// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/folders.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <system_error>

#include "base/error.h"
#include "base/file.h"
#include "base/file_calls.h"
#include "checkpoint/manifest.h"

namespace ebb::checkpoint {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kPrefix = "step-", kPartial = ".partial", kReplaced = ".replaced",
                           kDeleted = ".deleted";

fs::path with_suffix(fs::path path, std::string_view suffix) {
  return path += suffix;
}

void move_folder(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  if (error) fail_writing(fmt::format("rename {} to {}", from.string(), to.string()), error.value());
}

void remove_folder(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  if (error) fail_writing(fmt::format("delete {}", path.string()), error.value());
}

// "step-00000500" -> 500
std::optional<std::int64_t> step_of(std::string_view name) {
  if (!name.starts_with(kPrefix)) return std::nullopt;
  name.remove_prefix(kPrefix.size());
  std::int64_t step = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), step);
  if (error != std::errc() || end != name.data() + name.size() || step < 0) return std::nullopt;
  return step;
}

std::vector<fs::path> entries(const fs::path& folder) {
  std::vector<fs::path> paths;
  std::error_code error;
  if (!fs::exists(folder, error)) return paths;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    paths.push_back(it->path());
  }
  if (error)
    throw Error(ExitCode::storage, fmt::format("{} cannot be listed: {}", folder.string(), error.message()));
  std::sort(paths.begin(), paths.end());
  return paths;
}

// The rename is first, so that a reader never mistakes a half-deleted checkpoint for a damaged one.
void remove_checkpoint(const fs::path& folder) {
  const fs::path deleted = with_suffix(folder, kDeleted);
  move_folder(folder, deleted);
  remove_folder(deleted);
}

}  // namespace

fs::path step_folder(const fs::path& checkpoints, std::int64_t step) {
  return checkpoints / fmt::format("{}{:08}", kPrefix, step);
}

fs::path partial_folder(const fs::path& checkpoints, std::int64_t step) {
  return with_suffix(step_folder(checkpoints, step), kPartial);
}

std::vector<CheckpointFolder> list_checkpoints(const fs::path& checkpoints) {
  std::vector<CheckpointFolder> found;
  for (const auto& path : entries(checkpoints)) {
    if (const auto step = step_of(path.filename().string())) found.push_back({path, *step});
  }
  std::sort(found.begin(), found.end(),
            [](const CheckpointFolder& a, const CheckpointFolder& b) { return a.step > b.step; });
  return found;
}

void clean_leftovers(const fs::path& checkpoints) {
  for (const auto& path : entries(checkpoints)) {
    const std::string name = path.filename().string();
    if (!name.starts_with(kPrefix)) continue;
    if (name.ends_with(kReplaced)) {
      const auto complete = path.parent_path() / name.substr(0, name.size() - kReplaced.size());
      if (fs::exists(complete)) {
        remove_folder(path);
      } else {
        move_folder(path, complete);
        sync_folder(checkpoints);
      }
    } else if (name.ends_with(kPartial) || name.ends_with(kDeleted)) {
      remove_folder(path);
    }
  }
}

void publish(const fs::path& checkpoints, std::int64_t step) {
  const fs::path complete = step_folder(checkpoints, step);
  const fs::path replaced = with_suffix(complete, kReplaced);
  const bool there = fs::exists(complete);
  sync_folder(partial_folder(checkpoints, step));
  if (there) move_folder(complete, replaced);
  move_folder(partial_folder(checkpoints, step), complete);
  sync_folder(checkpoints);
  if (there) remove_folder(replaced);
}

void retain(const fs::path& checkpoints, std::int64_t step, std::int64_t keep) {
  std::int64_t complete = 0;
  for (const auto& found : list_checkpoints(checkpoints)) {
    if (found.step > step || !fs::exists(found.folder / kDoneName)) continue;
    if (++complete <= std::max<std::int64_t>(keep, 1)) continue;
    remove_checkpoint(found.folder);
  }
}

void discard_after(const fs::path& checkpoints, std::int64_t step) {
  for (const auto& found : list_checkpoints(checkpoints))
    if (found.step > step) remove_checkpoint(found.folder);
}

}  // namespace ebb::checkpoint
