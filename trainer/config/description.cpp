// SPDX-License-Identifier: Apache-2.0
#include "config/description.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>

#include "base/units.h"
#include "config/other_trainers.h"

namespace ebb::config {
namespace {

// Returns the path of the first section or value called `key`; empty if there is none.
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

std::vector<FieldsOfPath> fields_by_path(const Section& section) {
  std::vector<FieldsOfPath> all;
  std::map<std::string, std::size_t> index;
  for_each_field(section, [&](const std::string& path, const Field::Impl& field) {
    const auto [found, is_new] = index.emplace(path, all.size());
    if (is_new) all.push_back({path, {}});
    all[found->second].second.push_back(&field);
  });
  return all;
}

std::string conditions_of(const std::vector<const Field::Impl*>& fields) {
  std::vector<std::string> words;
  for (const Field::Impl* field : fields) words.push_back(field->only_where->words);
  return fmt::format("{}", fmt::join(words, " or "));
}

void for_each_rule(const Section& section, const std::function<void(const Section::Impl::Rule& rule)>& visit,
                   std::string_view path) {
  for (Section::Impl::Rule rule : section.impl().rules) {
    for (std::string& key : rule.keys) key = join_path(path, key);
    visit(rule);
  }
  for (const auto& entry : section.impl().entries)
    if (entry.section) for_each_rule(*entry.section, visit, join_path(path, entry.key));
}

std::string refusal_of(const Section& root, const Section& section, std::string_view path,
                       std::string_view key) {
  const auto old = std::ranges::find(section.impl().old_keys, key, &Section::Impl::OldKey::key);
  if (old != section.impl().old_keys.end()) {
    return old->new_key.empty() ? fmt::format("removed; {}", old->advice)
                                : fmt::format("renamed; write `{}`", join_path(path, old->new_key));
  }
  if (const std::string meant = suggested_path(root, section, path, key); !meant.empty()) {
    return fmt::format("unknown; did you mean `{}`?", meant);
  }
  return fmt::format("unknown; known keys {}: {}", path.empty() ? "are" : "here are",
                     fmt::join(section.impl().keys(), ", "));
}

std::string suggested_path(const Section& root, const Section& section, std::string_view path,
                           std::string_view key) {
  if (const std::string near = nearest_name(key, section.impl().keys()); !near.empty())
    return join_path(path, near);
  if (std::string elsewhere = find_anywhere(root, {}, key); !elsewhere.empty()) return elsewhere;
  const std::string_view foreign = path_of_foreign_key(key);
  std::string ignored;
  return !foreign.empty() && find_path(root, foreign, ignored) != nullptr ? std::string(foreign) : "";
}

const Section::Impl::Entry* find_path(const Section& root, std::string_view path, std::string& unknown) {
  const Section* section = &root;
  std::string here;
  for (std::string_view rest = path;;) {
    const std::size_t dot = rest.find('.');
    const std::string_view key = rest.substr(0, dot);
    const auto* entry = section->impl().find(key);
    const bool last = dot == std::string_view::npos;
    if (entry == nullptr) {
      unknown = refusal_of(root, *section, here, key);
      // If only this part is misspelt, the suggestion is the whole path.
      const std::string near = nearest_name(key, section->impl().keys());
      std::string ignored;
      if (!near.empty() && !last) {
        const std::string whole = join_path(join_path(here, near), rest.substr(dot + 1));
        if (find_path(root, whole, ignored) != nullptr)
          unknown = fmt::format("unknown; did you mean `{}`?", whole);
      }
      return nullptr;
    }
    here = join_path(here, key);
    if (last) return entry;
    if (entry->field) {
      unknown = fmt::format("unknown; `{}` is a value and has no keys below it", here);
      return nullptr;
    }
    section = entry->section.get();
    rest.remove_prefix(dot + 1);
  }
}

}  // namespace ebb::config
