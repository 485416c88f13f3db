#include "config/description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/units.h"

namespace ebb::config {
namespace {

// The path of a section or value called `key`, wherever it is; empty if it is nowhere.
std::string find_anywhere(const Section& section, std::string_view path, std::string_view key) {
  for (const auto& entry : section.impl().entries) {
    const std::string here = join_path(path, entry.key);
    if (entry.key == key) return here;
    if (entry.section) {
      if (std::string below = find_anywhere(*entry.section, here, key); !below.empty()) return below;
    }
  }
  return {};
}

}  // namespace

std::string join_path(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

void for_each_field(const Section& section,
                    const std::function<void(const std::string&, const Field::Impl&)>& visit,
                    std::string_view path) {
  for (const auto& entry : section.impl().entries) {
    const std::string here = join_path(path, entry.key);
    if (entry.field) visit(here, *entry.field);
    if (entry.section) for_each_field(*entry.section, visit, here);
  }
}

std::string suggestion(const Section& root, const Section& section, std::string_view path,
                       std::string_view key) {
  const std::vector<std::string> neighbours = section.impl().keys();
  if (const std::string near = nearest_name(key, neighbours); !near.empty()) {
    return fmt::format("; did you mean `{}`?", join_path(path, near));
  }
  if (const std::string elsewhere = find_anywhere(root, {}, key); !elsewhere.empty()) {
    return fmt::format("; did you mean `{}`?", elsewhere);
  }
  return fmt::format("; known keys {}: {}", path.empty() ? "are" : "here are", fmt::join(neighbours, ", "));
}

}  // namespace ebb::config
