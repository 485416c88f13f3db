// SPDX-License-Identifier: Apache-2.0
#include "data/picture_folder/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "data/labels.h"
#include "data/picture_folder/dataset.h"
#include "data/picture_folder/list.h"
#include "data/pictures/sample.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kInspectedPictures = 1000;
constexpr std::size_t kShownClasses = 20;

// `classes`: the folders of the training split, which give the numbers.
std::string classes_text(const PictureList& list, const std::vector<std::string>& classes) {
  std::map<std::string, std::int64_t, std::less<>> counts;
  for (std::int64_t i = 0; i < list.size(); ++i) ++counts[std::string(list.class_name(i))];
  const auto without = counts.find("");
  if (counts.size() == 1 && without != counts.end())
    return "classes      none: the pictures lie in no subfolders\n";
  std::string text;
  if (without != counts.end()) {
    text = fmt::format("classes      unusable: {} picture{} in no subfolder, such as\n             {}\n",
                       without->second, without->second == 1 ? " lies" : "s lie", list.name(0));
    counts.erase(without);
  } else {
    text = fmt::format("classes      {} (label, folder, pictures)\n", counts.size());
  }
  std::size_t shown = 0;
  for (const auto& [name, count] : counts) {
    if (shown == kShownClasses) {
      text += fmt::format("  and {} more\n", counts.size() - shown);
      break;
    }
    const auto found = std::ranges::lower_bound(classes, name);
    const bool known = found != classes.end() && *found == name;
    text += fmt::format("  {:<10} {}  {}\n", known ? std::to_string(found - classes.begin()) : "refused",
                        name, count);
    ++shown;
  }
  return text;
}

// The least, the middle and the largest of the numbers.
std::string range_text(std::vector<std::int64_t> all) {
  std::ranges::sort(all);
  if (all.front() == all.back()) return fmt::format("all {}", all.front());
  return fmt::format("{} to {}, median {}", all.front(), all.back(), all[all.size() / 2]);
}

// A line for each of the counts, the largest first; of more than eight, the rest together.
std::string counts_text(const char* title, const std::map<std::string, std::int64_t>& counts) {
  constexpr std::size_t kShown = 8;
  std::vector<std::pair<std::int64_t, std::string>> sorted;
  for (const auto& [what, count] : counts) sorted.emplace_back(-count, what);
  std::ranges::sort(sorted);
  std::string text;
  std::int64_t rest = 0;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i >= kShown) {
      rest -= sorted[i].first;
      continue;
    }
    text += fmt::format("{:<12} {} {}\n", i == 0 ? title : "", -sorted[i].first, sorted[i].second);
  }
  return text + (rest > 0 ? fmt::format("{:<12} {} others\n", "", rest) : "");
}

// Of the headers of pictures that are spread evenly over the list.
std::string headers_text(const PictureList& list) {
  std::vector<std::int64_t> widths, heights;
  std::map<std::string, std::int64_t> kinds;
  std::int64_t damaged = 0, bytes = 0;
  std::string first_fault;
  const std::vector<std::int64_t> looked = spread_evenly(list.size(), kInspectedPictures);
  for (const std::int64_t i : looked) {
    try {
      const std::vector<std::byte> file = read_picture_file(list.path(i));
      bytes += std::ssize(file);
      const PictureInfo info = picture_info(file, std::string(list.name(i)));
      widths.push_back(info.width);
      heights.push_back(info.height);
      const char* channels = info.channels == 1 ? "grey" : info.channels == 4 ? "with alpha" : "colour";
      ++kinds[fmt::format("{} {}{}", info.kind, channels, info.bits == 16 ? " of 16 bits" : "")];
    } catch (const Error& error) {
      if (damaged++ == 0) first_fault = error.what();
    }
  }
  std::string text;
  if (std::ssize(looked) < list.size())
    text += fmt::format("looked at    {} of them, spread evenly\n", looked.size());
  if (!widths.empty()) {
    text += fmt::format("file         {} on average\n", format_bytes(bytes / std::ssize(looked)));
    text += fmt::format("width        {}\n", range_text(widths));
    text += fmt::format("height       {}\n", range_text(heights));
    text += counts_text("kinds", kinds);
  }
  if (damaged > 0) text += fmt::format("damaged      {}; the first: {}\n", damaged, first_fault);
  return text;
}

}  // namespace

std::string inspect_picture_folder(const fs::path& source) {
  std::string text;
  const std::vector<fs::path> folders = split_folders(source);
  const std::vector<std::string> classes = subfolders(folders.front());
  for (const fs::path& folder : folders) {
    const PictureList list(folder, allocate_on_heap);
    text += fmt::format("{}{}\n", text.empty() ? "" : "\n", folder.string());
    text += fmt::format("format       pictures\npictures     {}\n", list.size());
    text += classes_text(list, classes);
    text += headers_text(list);
    text += counts_text("skipped", list.skipped());
  }
  return text;
}

std::string verify_picture_folder(const fs::path& source, const Progress& progress) {
  std::vector<PictureList> lists;
  std::int64_t all = 0, bytes = 0;
  for (const fs::path& folder : split_folders(source)) {
    lists.emplace_back(folder, allocate_on_heap);
    all += lists.back().size();
  }
  PictureFaults faults;
  for (const PictureList& list : lists)
    for (std::int64_t i = 0; i < list.size(); ++i) {
      if (progress) progress(faults.checked(), all);
      faults.check([&, path = list.path(i)] {
        const std::vector<std::byte> file = read_picture_file(path);
        bytes += std::ssize(file);
        (void)decode_picture(file, 3, path.string());
      });
    }
  faults.require_none(source.string(), "picture", "replace or remove");
  if (progress) progress(all, all);
  return fmt::format("{} is intact: {} pictures, {}", source.string(), all, format_bytes(bytes));
}

}  // namespace ebb::data
