// SPDX-License-Identifier: Apache-2.0
#include "data/arrays/source.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>
#include <system_error>
#include <vector>

#include "base/error.h"
#include "base/printable.h"

namespace ebb::data {

namespace fs = std::filesystem;

namespace {

constexpr std::array<std::string_view, 3> kImageNames = {"images", "image", "x"},
                                          kLabelNames = {"labels", "label", "y"};
constexpr std::array<const char*, 2> kSplits = {"train", "test"};

std::string lower(std::string name) {
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  return name;
}

// Whether the name, in small letters, is one of `stems` of the split.
bool is_of_split(const std::string& name, std::string_view split, bool image) {
  if (image && name == split) return true;
  return std::ranges::any_of(image ? kImageNames : kLabelNames, [&](std::string_view stem) {
    return name == fmt::format("{}_{}", stem, split) || name == fmt::format("{}_{}", split, stem);
  });
}

bool means(const std::string& name, const std::string& split, bool image) {
  const std::string small = lower(name);
  if (!split.empty()) return is_of_split(small, split, image);
  const auto& stems = image ? kImageNames : kLabelNames;
  return small == (image ? "arr_0" : "arr_1") || std::ranges::find(stems, small) != stems.end();
}

std::string list_of(const ArrayFile& file) {
  constexpr std::size_t kShown = 12;
  std::vector<std::string> names = file.names();
  if (names.empty()) return "no arrays";
  const bool more = names.size() > kShown;
  if (more) names.resize(kShown);
  return printable(fmt::format("{}{}", fmt::join(names, ", "), more ? ", ..." : ""));
}

// The name of the array with this meaning; empty: there is none.
std::string find_name(const ArrayFile& file, const fs::path& path, const std::string& split, bool image) {
  std::string found;
  for (const std::string& name : file.names()) {
    if (!means(name, split, image)) continue;
    if (!found.empty())
      throw Error(ExitCode::data,
                  fmt::format("{} has two arrays of {}, {} and {}: rename the one that is not meant",
                              path.string(), image ? "images" : "labels", printable(found), printable(name)));
    found = name;
  }
  return found;
}

[[noreturn]] void refuse_one_split(const fs::path& source, const std::string& here,
                                   const std::string& lacking) {
  throw Error(
      ExitCode::data,
      fmt::format("{} has {}, but not {}: add the other split (val of other programs is test here), or give "
                  "one file without splits and choose data.test_share",
                  source.string(), here, lacking));
}

// SOURCE/train, SOURCE/train.npz, ... if there is one for both splits. Empty: the splits are no files.
fs::path split_path(const fs::path& source, const std::string& split) {
  std::error_code ignored;
  if (!fs::is_directory(source, ignored)) return {};
  for (const char* const ending : {"", ".npz", ".safetensors"}) {
    const auto path_of = [&](const std::string& name) { return source / (name + ending); };
    const auto exists = [&](const char* name) {
      const fs::path path = path_of(name);
      return *ending == '\0' ? fs::is_directory(path, ignored) : fs::is_regular_file(path, ignored);
    };
    const bool train = exists("train"), test = exists("test");
    if (train && test) return path_of(split);
    if (train || test)
      refuse_one_split(source, std::string(train ? "train" : "test") + ending,
                       std::string(train ? "test" : "train") + ending);
  }
  return {};
}

}  // namespace

std::string meaning_of(const std::string& name) {
  for (const bool image : {true, false}) {
    const char* const what = image ? "images" : "labels";
    if (means(name, "", image)) return what;
    for (const char* const split : kSplits)
      if (means(name, split, image)) return fmt::format("{} of {}", what, split);
  }
  return "";
}

bool has_array_splits(const fs::path& source) {
  if (!split_path(source, "train").empty()) return true;
  const auto file = open_array_file(source);
  const std::string train = find_name(*file, source, "train", true),
                    test = find_name(*file, source, "test", true);
  if (train.empty() != test.empty() && find_name(*file, source, "", true).empty())
    refuse_one_split(source, printable(train.empty() ? test : train),
                     fmt::format("the images of {}", train.empty() ? "train" : "test"));
  return !train.empty() && !test.empty();
}

SplitArrays find_arrays(const fs::path& source, const std::string& split) {
  const fs::path own = split.empty() ? fs::path() : split_path(source, split);
  const fs::path path = own.empty() ? source : own;
  const std::string named = own.empty() ? split : "";
  const auto file = open_array_file(path);
  const std::string images = find_name(*file, path, named, true),
                    labels = find_name(*file, path, named, false);
  if (images.empty())
    throw Error(ExitCode::data, fmt::format("{} has no array of images{}, but {}: name it {}", path.string(),
                                            named.empty() ? "" : " of " + named, list_of(*file),
                                            named.empty() ? "images, image, x or arr_0"
                                                          : fmt::format("x_{0} or {0}_images", named)));
  SplitArrays arrays{file->array(images), {}};
  if (!labels.empty()) arrays.labels = file->array(labels);
  return arrays;
}

}  // namespace ebb::data
