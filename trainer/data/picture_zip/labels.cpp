// SPDX-License-Identifier: Apache-2.0
#include "data/picture_zip/labels.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/json.h"
#include "base/printable.h"
#include "base/units.h"

namespace ebb::data {
namespace {

constexpr std::int64_t kNoLabel = -1;

[[noreturn]] void refuse_list(const ZipFile& zip, const std::string& what) {
  throw Error(ExitCode::data, fmt::format("{}, entry {}: {}", zip.path().string(), kZipLabels, what));
}

// The list of labels in dataset.json; null if there are none.
nlohmann::json read_list(const ZipFile& zip) {
  const auto entry = zip.find(kZipLabels);
  if (!entry) return nullptr;
  const std::int64_t bytes = zip.entry(*entry).unpacked;
  if (bytes > static_cast<std::int64_t>(kLargestJson))
    refuse_list(zip, fmt::format("it has {}, and at most {} are read", format_bytes(bytes),
                                 format_bytes(static_cast<std::int64_t>(kLargestJson))));
  std::string text(static_cast<std::size_t>(bytes), '\0');
  zip.read(*entry, std::as_writable_bytes(std::span(text)));
  try {
    nlohmann::json json = parse_json(text);
    if (!json.is_object() || !json.contains("labels"))
      refuse_list(zip, "it is no object with the key labels");
    nlohmann::json labels = std::move(json["labels"]);
    if (!labels.is_null() && !labels.is_array()) refuse_list(zip, "its labels are neither a list nor null");
    return labels;
  } catch (const JsonError& error) {
    refuse_list(zip, fmt::format("it is not JSON: {}", error.what()));
  }
}

std::string_view folder_of(std::string_view name) {
  const std::size_t slash = name.find('/');
  return slash == std::string_view::npos ? std::string_view() : name.substr(0, slash);
}

std::vector<std::int64_t> labels_of_list(const ZipFile& zip, const nlohmann::json& list,
                                         std::span<const std::int64_t> pictures) {
  std::vector<std::int64_t> labels(pictures.size(), kNoLabel);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const nlohmann::json& item = list[i];
    if (!item.is_array() || item.size() != 2 || !item[0].is_string())
      refuse_list(zip, fmt::format("labels[{}] is not [NAME, CLASS]", i));
    const auto& name = item[0].get_ref<const std::string&>();
    if (!item[1].is_number_unsigned() || item[1].get<std::uint64_t>() > std::uint64_t{INT64_MAX})
      refuse_list(zip, fmt::format("labels[{}], of {}, is no number from 0 on; other labels are not read", i,
                                   printable(name)));
    const auto entry = zip.find(name);
    const auto found = entry ? std::ranges::lower_bound(pictures, *entry) : pictures.end();
    if (found == pictures.end() || *found != *entry)
      refuse_list(zip,
                  fmt::format("labels[{}] is of {}, which is no picture of the archive", i, printable(name)));
    std::int64_t& label = labels[static_cast<std::size_t>(found - pictures.begin())];
    if (label != kNoLabel) refuse_list(zip, fmt::format("{} has two labels", printable(name)));
    label = item[1].get<std::int64_t>();
  }
  const auto lacking = std::ranges::find(labels, kNoLabel);
  if (lacking != labels.end())
    refuse_list(
        zip, fmt::format("{} has no label",
                         printable(zip.name(pictures[static_cast<std::size_t>(lacking - labels.begin())]))));
  return labels;
}

// A folder that was packed from outside: its own name would be the only class.
void refuse_one_top_folder(const ZipFile& zip, std::span<const std::int64_t> pictures,
                           const std::vector<std::string>& folders) {
  const bool deeper = std::ranges::all_of(pictures, [&](std::int64_t picture) {
    const std::string_view name = zip.name(picture);
    return name.find('/') != name.rfind('/');
  });
  if (folders.size() != 1 || !deeper) return;
  throw Error(
      ExitCode::data,
      fmt::format("{}: all its pictures lie in folders of {}/, so {} would be the only "
                  "class. Pack the folder from inside: cd {} && zip -r ../NAME.zip .",
                  zip.path().string(), printable(folders[0]), printable(folders[0]), printable(folders[0])));
}

std::vector<std::int64_t> labels_of_folders(const ZipFile& zip, std::span<const std::int64_t> pictures,
                                            const std::vector<std::string>& folders) {
  refuse_one_top_folder(zip, pictures, folders);
  std::vector<std::int64_t> labels;
  for (const std::int64_t picture : pictures) {
    const std::string_view folder = folder_of(zip.name(picture));
    const auto found = std::ranges::lower_bound(folders, folder);
    if (found == folders.end() || *found != folder)
      throw Error(ExitCode::data,
                  fmt::format("{}, entry {}: its folder is no class of the training split, so it has "
                              "no label",
                              zip.path().string(), printable(zip.name(picture))));
    labels.push_back(found - folders.begin());
  }
  return labels;
}

}  // namespace

ZipLabelSource zip_label_source(const ZipFile& zip, std::span<const std::int64_t> pictures) {
  if (zip.find(kZipLabels)) return read_list(zip).is_null() ? ZipLabelSource::none : ZipLabelSource::list;
  const bool all = std::ranges::none_of(
      pictures, [&](std::int64_t picture) { return folder_of(zip.name(picture)).empty(); });
  return all ? ZipLabelSource::folders : ZipLabelSource::none;
}

// Names of one folder follow each other.
std::vector<std::string> zip_folders(const ZipFile& zip, std::span<const std::int64_t> pictures) {
  std::vector<std::string> folders;
  for (const std::int64_t picture : pictures) {
    const std::string_view folder = folder_of(zip.name(picture));
    if (folders.empty() || folders.back() != folder) folders.emplace_back(folder);
  }
  std::ranges::sort(folders);
  return folders;
}

std::vector<std::int64_t> zip_labels(const ZipFile& zip, std::span<const std::int64_t> pictures,
                                     const std::vector<std::string>& folders) {
  if (const nlohmann::json list = read_list(zip); !list.is_null()) return labels_of_list(zip, list, pictures);
  if (zip_label_source(zip, pictures) == ZipLabelSource::folders)
    return labels_of_folders(zip, pictures, folders);
  throw Error(
      ExitCode::data,
      fmt::format("{} has no labels, which the model reads: they are in {} ({{\"labels\": [[NAME, CLASS], "
                  "...]}}), or every picture lies in the folder of its class",
                  zip.path().string(), kZipLabels));
}

}  // namespace ebb::data
