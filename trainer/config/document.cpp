// SPDX-License-Identifier: Apache-2.0
#include "config/document.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <stdexcept>

#include "base/error.h"
#include "base/file.h"
#include "base/printable.h"
#include "config/description.h"
#include "config/environment_variables.h"
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
void check_rules(const Section& root, const GivenValues& given, const References& references,
                 const std::string& name, Problems& problems) {
  const auto is_unknown = [&](const std::string& key) {
    const auto found = references.find(key);
    return found != references.end() && !found->second.is_known;
  };
  for_each_rule(root, [&](const Section::Impl::Rule& rule) {
    if (std::ranges::any_of(rule.keys, is_unknown)) return;
    const std::string problem = without_values(rule.problem(), rule.keys, references);
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

// Reports items of lists of keys that are neither key nor section. A saved list is of another version, and
// nothing reads it.
void check_key_paths(const Section& root, const GivenValues& given, Problems& problems) {
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    const auto found = given.values.find(path);
    if (!field.has_key_paths || !field.applies() || found == given.values.end() || found->second.is_saved)
      return;
    const Value value = field.get();
    for (const std::string& item : std::get<std::vector<std::string>>(value)) {
      std::string reason;
      if (find_path(root, item, reason) == nullptr)
        problems.add(found->second.line, found->second.place, path, fmt::format("`{}` is {}", item, reason));
    }
  });
}

// Returns the value of a scalar that refers to the environment. A text is added to `references`. Throws
// std::invalid_argument with the reason, without what the scalar stands for.
Value parse_reference(const std::string& path, const Field::Impl& field, const Given& given,
                      References& references) {
  const std::string& written = given.scalar.text;
  if (const std::string problem = unprintable_problem(written); !problem.empty())
    throw std::invalid_argument(fmt::format("`{}` {}", printable(written), problem));
  variables_of(written);  // throws for a malformed reference
  const bool is_text = field.kind == ValueKind::text;
  if (given.is_saved) {
    if (!is_text)
      throw std::invalid_argument(
          fmt::format("`{}` refers to the environment, and ebb does not fill in saved values from there; "
                      "allowed: {}",
                      written, allowed(field)));
    const auto value = given.has_defaults ? expand_defaults(written) : std::nullopt;
    references[path] = {written, value.value_or(written), given.place, value.has_value()};
    return value.value_or(written);
  }
  expand_environment(written);  // throws for an unset variable
  try {
    const Value value = parse_value(field, given.scalar);
    if (is_text) references[path] = {written, std::get<std::string>(value), given.place, true};
    return value;
  } catch (const std::invalid_argument&) {
    throw std::invalid_argument(fmt::format(
        "what `{}` stands for does not fit, and is not shown; allowed: {}", written, allowed(field)));
  }
}

// Sets a given value. Reports an invalid value and a missing required one.
void set_field(const std::string& path, const Field::Impl& field, const GivenValues& given,
               const std::string& name, References& references, Problems& problems) {
  const auto found = given.values.find(path);
  if (found != given.values.end()) {
    try {
      field.set(found->second.items ? parse_texts(field, *found->second.items)
                : refers_to_environment(found->second.scalar.text)
                    ? parse_reference(path, field, found->second, references)
                    : parse_value(field, found->second.scalar));
    } catch (const std::invalid_argument& refusal) {
      problems.add(found->second.line, found->second.place, path, refusal.what());
    }
  } else if (field.required && !already_refused(given, path)) {
    const int line = line_of_section(given, path);
    const std::string place = line > 0 ? fmt::format("{}:{}", name, line) : name;
    problems.add(line, place, path, fmt::format("required, but not given; allowed: {}", allowed(field)));
  }
}

References load_values(GivenValues given, Problems problems, const std::string& name,
                       const std::vector<std::string>& overrides, Section& root) {
  References references;
  for (const std::string& text : overrides) apply_override(text, root, given, problems);
  const std::vector<FieldsOfPath> all = fields_by_path(root);
  for (const auto& [path, fields] : all)
    if (fields.size() == 1) set_field(path, *fields.front(), given, name, references, problems);
  problems.throw_if_any();
  // The description that applies may depend on another key with several descriptions, so this repeats until
  // it sets no more.
  std::set<const Field::Impl*> set;
  for (std::size_t before = 1; before != set.size();) {
    before = set.size();
    for (const auto& [path, fields] : all)
      for (const Field::Impl* field : fields)
        if (fields.size() > 1 && field->applies() && set.insert(field).second)
          set_field(path, *field, given, name, references, problems);
  }
  problems.throw_if_any();
  check_conditions(all, given, problems);
  check_key_paths(root, given, problems);
  check_rules(root, given, references, name, problems);
  problems.throw_if_any();
  return references;
}

}  // namespace

References load(const std::filesystem::path& file, const std::vector<std::string>& overrides, Section& root) {
  return load_text(read_file(file, ExitCode::usage), file.string(), overrides, root);
}

References load_text(const std::string& yaml, const std::string& name,
                     const std::vector<std::string>& overrides, Section& root) {
  Problems problems;
  GivenValues given = read_yaml(yaml, name, root, problems);
  return load_values(std::move(given), std::move(problems), name, overrides, root);
}

References load_saved(const std::string& yaml, const std::string& name,
                      const std::vector<std::string>& overrides, Section& root,
                      const std::vector<std::string>& defaulted) {
  Problems problems;
  GivenValues given = read_yaml(yaml, name, root, problems);
  for (auto& [path, value] : given.values) {
    value.is_saved = true;
    value.has_defaults = std::ranges::find(defaulted, path) != defaulted.end();
  }
  return load_values(std::move(given), std::move(problems), name, overrides, root);
}

std::string suggested_path(const Section& root, std::string_view name) {
  return suggested_path(root, root, {}, name);
}

}  // namespace ebb::config
