// SPDX-License-Identifier: Apache-2.0
#include "data/webdataset/names.h"

#include <algorithm>

namespace ebb::data {

std::optional<PartName> part_name(const TarMember& member, std::string_view& skipped) {
  const std::string_view name = member.name;
  if (member.type != '0') {
    skipped = member.type == '5'                         ? "folders"
              : member.type == '1' || member.type == '2' ? "links"
                                                         : "devices and others";
    return std::nullopt;
  }
  const std::string_view first = name.substr(0, name.find('/'));
  if (first.size() >= 4 && first.starts_with("__") && first.ends_with("__")) {
    skipped = "__meta__ files";
    return std::nullopt;
  }
  const std::size_t slash = name.rfind('/');
  const std::size_t base = slash == std::string_view::npos ? 0 : slash + 1;
  const std::size_t dot = name.find('.', base);
  if (dot == base) {
    skipped = "hidden files";
    return std::nullopt;
  }
  if (dot == std::string_view::npos) {
    skipped = "names without a suffix";
    return std::nullopt;
  }
  PartName part{std::string(name.substr(0, dot)), std::string(name.substr(dot + 1))};
  std::ranges::transform(part.suffix, part.suffix.begin(),
                         [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  return part;
}

}  // namespace ebb::data
