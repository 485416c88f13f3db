// SPDX-License-Identifier: Apache-2.0
#include "config/yaml_reader.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <limits>
#include <optional>

#include "base/error.h"
#include "config/yaml_document.h"

namespace ebb::config {
namespace {

// Describes a section for a message about a value in its place.
std::string section_text(const Section& section) {
  return fmt::format("a section with the keys {}", fmt::join(section.impl().keys(), ", "));
}

bool has_foreign_tag(const YAML::Node& node) {
  const std::string& tag = node.Tag();
  return !tag.empty() && tag != "?" && tag != "!" && tag != "tag:yaml.org,2002:str" && !node.IsNull();
}

// Returns the items of a list of texts; nullopt if it has others.
std::optional<std::vector<Scalar>> items_of(const YAML::Node& list) {
  if (!list.IsSequence() || has_foreign_tag(list)) return std::nullopt;
  std::vector<Scalar> items;
  for (const auto& item : list) {
    if (!item.IsScalar() || has_foreign_tag(item)) return std::nullopt;
    items.push_back({item.Scalar(), false});
  }
  return items;
}

class Reader {
 public:
  Reader(std::string file, const Section& root, GivenValues& given, Problems& problems)
      : file_(std::move(file)), root_(root), given_(given), problems_(problems) {}

  void read_section(const YAML::Node& map, const Section& section, const std::string& path) {
    std::map<std::string, int> first_line;
    // The library keeps repeated keys and looks up the first, so only iteration finds them.
    for (const auto& pair : map) {
      const int line = pair.first.Mark().line + 1;
      if (!pair.first.IsScalar()) {
        refuse(line, path, "a key has to be a plain name");
        continue;
      }
      const std::string& key = pair.first.Scalar();
      const std::string here = join_path(path, key);
      const auto [first, is_new] = first_line.emplace(key, line);
      if (!is_new) {
        refuse(line, here, fmt::format("given twice, first in line {}; keep one of them", first->second));
        continue;
      }
      const std::size_t colon = key.find(':');
      if (const std::string name = key.substr(0, colon);
          colon != std::string::npos && section.impl().find(name) != nullptr) {
        given_.refused.insert(join_path(path, name));
        refuse(line, join_path(path, name), fmt::format("a space is missing after the colon of `{}`", key));
      } else if (const auto* entry = section.impl().find(key)) {
        read_entry(pair.second, *entry, here, line);
      } else {
        refuse(line, here, refusal_of(root_, section, path, key));
      }
    }
  }

 private:
  void read_entry(const YAML::Node& node, const Section::Impl::Entry& entry, const std::string& here,
                  int line) {
    if (entry.section) {
      if (node.IsMap()) {
        given_.section_lines[here] = line;
        read_section(node, *entry.section, here);
      } else {
        given_.refused.insert(here);
        const char* is = node.IsNull() ? "empty" : node.IsSequence() ? "a list" : "a single value";
        const bool lacks_space = node.IsScalar() && node.Scalar().find(':') != std::string::npos;
        refuse(line, here,
               fmt::format("is {}{}; allowed: {}", is,
                           lacks_space ? " (a key needs a space after its colon)" : "",
                           section_text(*entry.section)));
      }
    } else if (node.IsSequence() && entry.field->kind == ValueKind::texts) {
      if (auto items = items_of(node)) {
        given_.values[here] = {{}, place(line), line, false, std::move(items)};
      } else {
        given_.refused.insert(here);
        refuse(line, here, fmt::format("has an item that is no text; allowed: {}", allowed(*entry.field)));
      }
    } else if (node.IsMap() || node.IsSequence()) {
      given_.refused.insert(here);
      refuse(
          line, here,
          fmt::format("is {} where {} is expected; allowed: {}", node.IsMap() ? "a section" : "a list",
                      entry.field->kind == ValueKind::texts ? "a list" : "one value", allowed(*entry.field)));
    } else {
      const std::string& tag = node.Tag();
      const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
      if (has_foreign_tag(node)) {
        given_.refused.insert(here);
        refuse(line, here, fmt::format("has the YAML tag {}, which is not supported; leave it out", tag));
        return;
      }
      given_.values[here] = {
          {node.IsNull() ? std::string() : node.Scalar(), quoted}, place(line), line, false};
    }
  }

  [[nodiscard]] std::string place(int line) const { return fmt::format("{}:{}", file_, line); }
  void refuse(int line, const std::string& path, const std::string& what) {
    problems_.add(line, place(line), path, what);
  }

  std::string file_;
  const Section& root_;
  GivenValues& given_;
  Problems& problems_;
};

// A quoted value is YAML, so that it can hold \n and spaces. Any other value is literal.
Scalar override_scalar(const std::string& value, const std::string& place) {
  if (value.empty()) return {"", true};
  if (value.front() != '"' && value.front() != '\'') return {value, false};
  const YAML::Node node = parse_document(value, place);
  if (!node.IsScalar()) {
    throw Error(ExitCode::usage, fmt::format("{}: the value is not one quoted text", place));
  }
  return {node.Scalar(), true};
}

}  // namespace

GivenValues read_yaml(const std::string& text, const std::string& name, const Section& root,
                      Problems& problems) {
  const YAML::Node document = parse_document(text, name);
  GivenValues given;
  // An empty file keeps all defaults.
  if (document.IsNull()) return given;
  if (!document.IsMap()) {
    throw Error(ExitCode::usage,
                fmt::format("{}:{}: is {}; allowed: {}", name, document.Mark().line + 1,
                            document.IsSequence() ? "a list" : "a single value", section_text(root)));
  }
  Reader(name, root, given, problems).read_section(document, root, "");
  return given;
}

void apply_override(std::string_view text, const Section& root, GivenValues& given, Problems& problems) {
  constexpr int kAfterTheFile = std::numeric_limits<int>::max();
  const std::string place = fmt::format("override `{}`", text);
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) {
    problems.add(kAfterTheFile, place, "", "not of the form key.path=value");
    return;
  }
  const std::string_view path = text.substr(0, equals);
  std::string unknown;
  const auto* entry = find_path(root, path, unknown);
  if (entry == nullptr) {
    problems.add(kAfterTheFile, place, path, unknown);
    return;
  }
  if (entry->section) {
    problems.add(kAfterTheFile, place, path,
                 fmt::format("is {}; override one of them", section_text(*entry->section)));
    return;
  }
  const std::string value(text.substr(equals + 1));
  if (entry->field->kind == ValueKind::texts && value.starts_with('[')) {
    if (auto items = items_of(parse_document(value, place))) {
      given.values[std::string(path)] = {{}, place, kAfterTheFile, false, std::move(items)};
    } else {
      problems.add(kAfterTheFile, place, path,
                   fmt::format("has an item that is no text; allowed: {}", allowed(*entry->field)));
    }
    return;
  }
  given.values[std::string(path)] = {override_scalar(value, place), place, kAfterTheFile, false};
}

}  // namespace ebb::config
