// SPDX-License-Identifier: Apache-2.0
#include "data/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "data/arrays/format.h"
#include "data/mds/format.h"
#include "data/picture_folder/format.h"
#include "data/tokens/format.h"
#include "data/webdataset/format.h"

namespace ebb::data {

namespace fs = std::filesystem;

Formats builtin_formats() {
  return {mds_format(),   token_format(),     raw_u16_format(), picture_folder_format(),
          array_format(), webdataset_format()};
}

bool Format::provides(std::string_view field) const {
  return std::ranges::find(fields, field) != fields.end();
}

std::string format_names(const Formats& formats) {
  std::string names;
  for (const Format& format : formats) names += (names.empty() ? "" : ", ") + format.name;
  return names;
}

const Format& find_format(const Formats& formats, std::string_view name) {
  const auto found = std::ranges::find(formats, name, &Format::name);
  if (found != formats.end()) return *found;
  throw Error(ExitCode::usage,
              fmt::format("there is no format {} of data, only {}", name, format_names(formats)));
}

std::string formats_providing(const Formats& formats, std::string_view field) {
  std::string names;
  for (const Format& format : formats)
    if (format.provides(field)) names += (names.empty() ? "" : ", ") + format.name;
  return names;
}

const Format* recognize(const Formats& formats, const fs::path& path) {
  const auto found = std::ranges::find_if(
      formats, [&path](const Format& format) { return format.recognizes && format.recognizes(path); });
  return found == formats.end() ? nullptr : &*found;
}

std::string recognized_paths(const Formats& formats) {
  std::string paths;
  for (const Format& format : formats)
    if (!format.texts.path.empty()) paths += (paths.empty() ? "" : ", or ") + format.texts.path;
  return paths;
}

namespace {

const Format& must_recognize(const Formats& formats, const fs::path& path) {
  if (const Format* found = recognize(formats, path)) return *found;
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    throw Error(ExitCode::data, fmt::format("{} does not exist", path.string()));
  throw Error(ExitCode::data, fmt::format("{} has no format that can be recognized: give {}", path.string(),
                                          recognized_paths(formats)));
}

}  // namespace

std::string inspect(const Formats& formats, const fs::path& path) {
  return must_recognize(formats, path).inspect(path);
}

std::string verify(const Formats& formats, const fs::path& path, const Progress& progress) {
  const Format& format = must_recognize(formats, path);
  if (format.verify) return format.verify(path, progress);
  throw Error(ExitCode::data, fmt::format("{} has the format {}, which has no hashes to verify; `ebb data "
                                          "inspect` shows its contents",
                                          path.string(), format.name));
}

const Packer& find_packer(const Formats& formats, const PackRequest& request) {
  const Packer* otherwise = nullptr;
  for (const Format& format : formats) {
    if (!format.packer) continue;
    if (format.packer->accepts == nullptr) {
      if (otherwise == nullptr) otherwise = &*format.packer;
    } else if (format.packer->accepts(request)) {
      return *format.packer;
    }
  }
  if (otherwise != nullptr) return *otherwise;
  throw Error(ExitCode::usage, "data pack: no dataset format accepts these inputs with these options");
}

}  // namespace ebb::data
