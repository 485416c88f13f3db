// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/inspect.h"

#include <fmt/format.h>

#include <map>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/printable.h"
#include "base/units.h"
#include "data/arrays/images.h"
#include "data/arrays/labels.h"
#include "data/arrays/source.h"
#include "data/labels.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

// The files of the source: one for both splits, or one for each.
std::vector<fs::path> array_paths(const fs::path& source) {
  std::error_code ignored;
  for (const char* const ending : {"", ".npz", ".safetensors"}) {
    const fs::path train = source / (std::string("train") + ending),
                   test = source / (std::string("test") + ending);
    if (fs::exists(train, ignored) && fs::exists(test, ignored)) return {train, test};
  }
  return {source};
}

std::string use_of(const StoredArray& array) {
  const std::string meaning = meaning_of(array.name);
  if (!meaning.starts_with("images")) return meaning.empty() ? "not read" : meaning;
  try {
    return fmt::format("{}, axes {}", meaning, read_as_images(array, ArrayLayout::automatic).axes);
  } catch (const Error& error) {
    std::string what = error.what();
    if (what.starts_with(array.where)) what.erase(0, array.where.size() + 2);
    return fmt::format("{}, but {}", meaning, what);
  }
}

std::string counts_of_labels(const StoredArray& array) {
  constexpr std::size_t kMostCounted = 100'000;
  if (!array.header.is_integer() || array.header.shape.empty()) return "";
  const ArrayValues values(array, allocate_on_heap);
  std::map<std::int64_t, std::int64_t> counts;
  for (std::int64_t i = 0; i < array.header.bytes() / array.header.item_bytes; ++i) {
    ++counts[read_label(values, i)];
    if (counts.size() > kMostCounted)
      return fmt::format("{:<12} more than {} values\n", array.name, kMostCounted);
  }
  return fmt::format("{:<12} {} classes (label: images): {}\n", printable(array.name), counts.size(),
                     label_counts_text(counts));
}

// Every split has as many labels as images, if it has labels.
void require_labels_of_splits(const fs::path& source) {
  const std::vector<std::string> divided = {"train", "test"}, whole = {""};
  for (const std::string& split : has_array_splits(source) ? divided : whole) {
    const SplitArrays arrays = find_arrays(source, split);
    const auto& shape = arrays.images.header.shape;
    if (arrays.labels && !shape.empty()) require_labels(*arrays.labels, shape.front());
  }
}

}  // namespace

std::string inspect_arrays(const fs::path& source) {
  std::string text;
  for (const fs::path& path : array_paths(source)) {
    const auto file = open_array_file(path);
    text += fmt::format("{}{}\nformat       arrays\narrays       (name, type, shape, bytes, use)\n",
                        text.empty() ? "" : "\n", path.string());
    std::string labels;
    for (const std::string& name : file->names()) {
      try {
        const StoredArray array = file->array(name);
        text += fmt::format("  {:<12} {:<8} {:<22} {:<11} {}{}\n", printable(name), array.header.type(),
                            array.header.extents(), format_bytes(array.header.bytes()), use_of(array),
                            array.unpacked_bytes > 0 ? "; deflated" : "");
        if (meaning_of(name).starts_with("labels")) labels += counts_of_labels(array);
      } catch (const Error& error) {
        if (!meaning_of(name).empty()) throw;
        text += fmt::format("  {:<12} ignored: {}\n", printable(name), error.what());
      }
    }
    text += labels;
  }
  return text;
}

std::string verify_arrays(const fs::path& source, const Progress& progress) {
  std::int64_t arrays = 0, bytes = 0;
  bool has_images = false;
  std::string checksums;
  for (const fs::path& path : array_paths(source)) {
    const auto file = open_array_file(path);
    checksums = file->check(progress);
    for (const std::string& name : file->names()) {
      if (meaning_of(name).empty()) continue;  // a run ignores it
      has_images = has_images || meaning_of(name).starts_with("images");
      ++arrays;
      bytes += file->array(name).header.bytes();
    }
  }
  if (has_images) require_labels_of_splits(source);
  return fmt::format("{} is intact: {} array{}, {}, checksums: {}", source.string(), arrays,
                     arrays == 1 ? "" : "s", format_bytes(bytes), checksums);
}

}  // namespace ebb::data
