// SPDX-License-Identifier: Apache-2.0
#include "config/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "config/description.h"
#include "config/problems.h"
#include "config/scalar.h"
#include "config/yaml_reader.h"

namespace ebb::config {
namespace {

// "a.b.c" -> "a.b", "a": the sections that contain a key, innermost first.
std::vector<std::string_view> sections_above(std::string_view path) {
  std::vector<std::string_view> above;
  for (std::size_t dot = path.rfind('.'); dot != std::string_view::npos; dot = path.rfind('.')) {
    path = path.substr(0, dot);
    above.push_back(path);
  }
  return above;
}

// Returns the line of the nearest section above `path` in the file, for a missing key; 0: none.
int line_of_section(const GivenValues& given, std::string_view path) {
  for (const std::string_view section : sections_above(path)) {
    if (const auto found = given.section_lines.find(section); found != given.section_lines.end()) {
      return found->second;
    }
  }
  return 0;
}

bool already_refused(const GivenValues& given, std::string_view path) {
  const auto refused = [&](std::string_view key) { return given.refused.contains(key); };
  return refused(path) || std::ranges::any_of(sections_above(path), refused);
}

// Reports given keys that do not apply because of another value. All values must be set.
void check_conditions(const std::vector<FieldsOfPath>& all, const GivenValues& given, Problems& problems) {
  for (const auto& [path, fields] : all) {
    const auto count = std::ranges::count_if(fields, &Field::Impl::applies);
    if (count > 1)
      throw Error(ExitCode::internal,
                  fmt::format("two descriptions of `{}` apply: {}", path, conditions_of(fields)));
    const auto found = given.values.find(path);
    if (found != given.values.end() && count == 0)
      problems.add(found->second.line, found->second.place, path,
                   fmt::format("applies only where {}: leave it out", conditions_of(fields)));
  }
}

// Reports broken rules between several values. All values must be set.
void check_rules(const Section& root, const GivenValues& given, const std::string& name, Problems& problems) {
  for_each_rule(root, [&](const Section::Impl::Rule& rule) {
    const std::string problem = rule.problem();
    if (problem.empty()) return;
    std::string keys, place = name;
    int line = 0;
    for (const std::string& key : rule.keys) {
      if (!keys.empty()) keys += &key == &rule.keys.back() ? "` and `" : "`, `";
      keys += key;
      const auto found = given.values.find(key);
      if (found == given.values.end() || found->second.line < line) continue;
      line = found->second.line;
      place = found->second.place;
    }
    problems.add(line, place, keys, problem);
  });
}

void write_section(const Section& section, int depth, std::string& out) {
  const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
  for (const auto& entry : section.impl().entries) {
    if (entry.field) {
      if (!entry.field->applies()) continue;
      out += fmt::format("{}{}: {}\n", indent, entry.key, render_value(*entry.field, entry.field->get()));
    } else if (entry.section->impl().entries.empty()) {
      out += fmt::format("{}{}: {{}}\n", indent, entry.key);
    } else if (entry.section->impl().applies()) {
      out += fmt::format("{}{}:\n", indent, entry.key);
      write_section(*entry.section, depth + 1, out);
    }
  }
}

// Sets a given value. Reports an invalid value and a missing required one.
void set_field(const std::string& path, const Field::Impl& field, const GivenValues& given,
               const std::string& name, Problems& problems) {
  const auto found = given.values.find(path);
  if (found != given.values.end()) {
    try {
      field.set(parse_value(field, found->second.scalar));
    } catch (const std::invalid_argument& refusal) {
      problems.add(found->second.line, found->second.place, path, refusal.what());
    }
  } else if (field.required && !already_refused(given, path)) {
    const int line = line_of_section(given, path);
    const std::string place = line > 0 ? fmt::format("{}:{}", name, line) : name;
    problems.add(line, place, path, fmt::format("required, but not given; allowed: {}", allowed(field)));
  }
}

}  // namespace

void load(const std::filesystem::path& file, const std::vector<std::string>& overrides, Section& root) {
  load_text(read_file(file, ExitCode::usage), file.string(), overrides, root);
}

void load_text(const std::string& yaml, const std::string& name, const std::vector<std::string>& overrides,
               Section& root) {
  Problems problems;
  GivenValues given = read_yaml(yaml, name, root, problems);
  for (const std::string& text : overrides) apply_override(text, root, given, problems);
  const std::vector<FieldsOfPath> all = fields_by_path(root);
  for (const auto& [path, fields] : all)
    if (fields.size() == 1) set_field(path, *fields.front(), given, name, problems);
  problems.throw_if_any();
  // The description that applies may depend on another key with several descriptions, so this repeats until
  // it sets no more.
  std::set<const Field::Impl*> set;
  for (std::size_t before = 1; before != set.size();) {
    before = set.size();
    for (const auto& [path, fields] : all)
      for (const Field::Impl* field : fields)
        if (fields.size() > 1 && field->applies() && set.insert(field).second)
          set_field(path, *field, given, name, problems);
  }
  problems.throw_if_any();
  check_conditions(all, given, problems);
  check_rules(root, given, name, problems);
  problems.throw_if_any();
}

std::string resolved_yaml(const Section& root) {
  std::string out;
  write_section(root, 0, out);
  return out;
}

std::string digest(const Section& root) {
  std::string text;
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    if (field.applies()) text += fmt::format("{}: {}\n", path, render_value(field, field.get()));
  });
  return digest_hex(text);
}

std::vector<std::pair<std::string, std::string>> mathematical_values(const Section& root) {
  std::vector<std::pair<std::string, std::string>> values;
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    if (field.applies() && !field.free_to_change) values.emplace_back(path, render_value(field, field.get()));
  });
  return values;
}

std::vector<std::string> free_keys(const Section& root) {
  std::vector<std::string> keys;
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    if (field.applies() && field.free_to_change) keys.push_back(path);
  });
  return keys;
}

std::string suggested_path(const Section& root, std::string_view name) {
  return suggested_path(root, root, {}, name);
}

}  // namespace ebb::config
