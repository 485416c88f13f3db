// SPDX-License-Identifier: Apache-2.0
#include "data/picture_folder/list.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "data/pictures/picture.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kDeepestFolder = 64;

bool is_hidden(const std::string& name) {
  return name.starts_with('.');
}

[[noreturn]] void refuse_link(const fs::path& path, const std::string& what) {
  throw Error(ExitCode::data, fmt::format("{} is a link {}: replace it by what it stands for, or remove it",
                                          path.string(), what));
}

// `root`: the folder without links.
void check_link(const fs::path& path, const fs::path& root, bool picture) {
  std::error_code error;
  const fs::file_status target = fs::status(path, error);
  if (fs::is_directory(target)) refuse_link(path, "to a folder, and such links are not followed");
  if (!picture) return;
  const fs::path whole = fs::canonical(path, error);
  if (error) refuse_link(path, fmt::format("that leads nowhere ({})", error.message()));
  const auto [end, same] = std::mismatch(root.begin(), root.end(), whole.begin(), whole.end());
  if (end != root.end())
    refuse_link(path, fmt::format("to {}, outside of {}", whole.string(), root.string()));
}

struct Walk {
  std::function<void(std::string_view relative)> picture;
  std::function<void(const std::string& kind)> skipped;  // may be empty
};

void walk(const fs::path& folder, const fs::path& root, const std::string& prefix, std::size_t depth,
          const Walk& found) {
  if (depth > kDeepestFolder)
    throw Error(ExitCode::data,
                fmt::format("{} is more than {} folders deep", folder.string(), kDeepestFolder));
  std::vector<std::string> below;
  for_each_entry(folder, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    std::error_code error;
    const fs::file_type type = entry.symlink_status(error).type();
    if (error)
      throw Error(ExitCode::data, fmt::format("cannot read {}: {}", entry.path().string(), error.message()));
    if (is_hidden(name)) {
      if (found.skipped) found.skipped("hidden");
      return;
    }
    if (type == fs::file_type::directory) {
      below.push_back(name);
      return;
    }
    const bool picture = has_picture_name(name);
    if (type == fs::file_type::symlink) check_link(entry.path(), root, picture);
    if (!picture) {
      const std::string extension = entry.path().extension().string();
      if (found.skipped) found.skipped(extension.empty() ? "no extension" : extension);
      return;
    }
    if (!entry.is_regular_file(error))
      throw Error(ExitCode::data,
                  fmt::format("{} has the name of a picture, but is no regular file: remove it",
                              entry.path().string()));
    found.picture(prefix + name);
  });
  // Below, so that few folders are open at once.
  for (const std::string& name : below) walk(folder / name, root, prefix + name + "/", depth + 1, found);
}

fs::path without_links(const fs::path& folder) {
  std::error_code error;
  fs::path whole = fs::canonical(folder, error);
  if (error) throw Error(ExitCode::data, fmt::format("cannot list {}: {}", folder.string(), error.message()));
  return whole;
}

}  // namespace

PictureList::PictureList(fs::path folder, const BlockAllocator& allocate) : folder_(std::move(folder)) {
  const fs::path root = without_links(folder_);
  std::size_t count = 0, name_bytes = 0;
  walk(folder_, root, "", 0,
       {[&](std::string_view name) {
          ++count;
          name_bytes += name.size() + 1;
        },
        [this](const std::string& kind) { ++skipped_[kind]; }});
  if (count == 0) {
    std::int64_t others = 0;
    for (const auto& [kind, number] : skipped_) others += number;
    throw Error(ExitCode::data,
                fmt::format("{} holds no picture (.jpg, .png, .webp or .bmp), and {} other file{}",
                            folder_.string(), others, others == 1 ? "" : "s"));
  }
  at_ = count * sizeof(std::uint64_t);
  block_ = allocate(at_ + name_bytes, kPictureList);
  auto* const offsets = reinterpret_cast<std::uint64_t*>(block_.bytes.data());
  const auto changed = [this] {
    return Error(ExitCode::data, fmt::format("{} changed while it was listed: start again when its files are "
                                             "complete",
                                             folder_.string()));
  };
  std::size_t end = at_, listed = 0;
  walk(folder_, root, "", 0,
       {[&](std::string_view name) {
          if (listed == count || end + name.size() + 1 > block_.bytes.size()) throw changed();
          offsets[listed++] = end;
          std::memcpy(block_.bytes.data() + end, name.data(), name.size());
          end += name.size();
          block_.bytes[end++] = std::byte{0};
        },
        {}});
  if (listed != count || end != block_.bytes.size()) throw changed();
  count_ = static_cast<std::int64_t>(count);
  const auto* const text = reinterpret_cast<const char*>(block_.bytes.data());
  std::sort(offsets, offsets + count, [text](std::uint64_t a, std::uint64_t b) {
    return std::strcmp(text + a, text + b) < 0;  // of unsigned bytes
  });
}

std::string_view PictureList::name(std::int64_t index) const {
  std::uint64_t offset = 0;
  std::memcpy(&offset, block_.bytes.data() + static_cast<std::size_t>(index) * sizeof offset, sizeof offset);
  return reinterpret_cast<const char*>(block_.bytes.data()) + offset;
}

fs::path PictureList::path(std::int64_t index) const {
  return folder_ / name(index);
}

std::string_view PictureList::class_name(std::int64_t index) const {
  const std::string_view whole = name(index);
  const std::size_t slash = whole.find('/');
  return slash == std::string_view::npos ? std::string_view() : whole.substr(0, slash);
}

std::vector<std::string> subfolders(const fs::path& folder) {
  std::vector<std::string> names;
  for_each_entry(folder, [&names](const fs::directory_entry& entry) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    if (!is_hidden(name) && entry.symlink_status(ignored).type() == fs::file_type::directory)
      names.push_back(name);
  });
  std::ranges::sort(names);
  return names;
}

bool holds_picture(const fs::path& folder) {
  constexpr int kMostNames = 10'000;
  std::error_code error;
  int names = 0;
  for (fs::recursive_directory_iterator entry(folder, error), end;
       !error && entry != end && names < kMostNames; entry.increment(error), ++names) {
    const std::string name = entry->path().filename().string();
    if (is_hidden(name)) {
      entry.disable_recursion_pending();
    } else if (has_picture_name(name)) {
      return true;
    }
  }
  return false;
}

}  // namespace ebb::data
