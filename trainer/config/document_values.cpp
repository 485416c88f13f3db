// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <type_traits>

#include "base/digest.h"
#include "config/description.h"
#include "config/document.h"
#include "config/scalar.h"

namespace ebb::config {
namespace {

std::string render(const std::string& path, const Field::Impl& field, const References& references) {
  const Value value = field.get();
  const auto found = references.find(path);
  const auto* text = std::get_if<std::string>(&value);
  // The program may have changed the value since.
  if (found == references.end() || text == nullptr || *text != found->second.value)
    return render_value(field, value);
  return nlohmann::json(found->second.written).dump();  // a JSON text is a YAML text
}

void write_section(const Section& section, const std::string& path, int depth, const References& references,
                   std::string& out) {
  const std::string indent(static_cast<std::size_t>(2 * depth), ' ');
  for (const auto& entry : section.impl().entries) {
    const std::string here = join_path(path, entry.key);
    if (entry.field) {
      if (!entry.field->applies()) continue;
      out += fmt::format("{}{}: {}\n", indent, entry.key, render(here, *entry.field, references));
    } else if (entry.section->impl().entries.empty()) {
      out += fmt::format("{}{}: {{}}\n", indent, entry.key);
    } else if (entry.section->impl().applies()) {
      out += fmt::format("{}{}:\n", indent, entry.key);
      write_section(*entry.section, here, depth + 1, references, out);
    }
  }
}

nlohmann::json json_of(const Value& value) {
  return std::visit(
      [](const auto& one) -> nlohmann::json {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::monostate>) {
          return "auto";
        } else {
          return one;
        }
      },
      value);
}

// The keys that apply and have a mark.
std::vector<std::string> keys_with(const Section& root, bool Field::Impl::* mark) {
  std::vector<std::string> keys;
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    if (field.applies() && field.*mark) keys.push_back(path);
  });
  return keys;
}

}  // namespace

std::string resolved_yaml(const Section& root, const References& references) {
  std::string out;
  write_section(root, {}, 0, references, out);
  return out;
}

std::string digest(const Section& root) {
  std::string text;
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    if (field.applies()) text += fmt::format("{}: {}\n", path, render_value(field, field.get()));
  });
  return digest_hex(text);
}

std::vector<std::pair<std::string, std::string>> mathematical_values(const Section& root,
                                                                     const References& references) {
  std::vector<std::pair<std::string, std::string>> values;
  for_each_field(root, [&](const std::string& path, const Field::Impl& field) {
    if (field.applies() && !field.free_to_change) values.emplace_back(path, render(path, field, references));
  });
  return values;
}

std::vector<std::string> free_keys(const Section& root) {
  return keys_with(root, &Field::Impl::free_to_change);
}

std::vector<std::string> all_keys(const Section& root) {
  std::vector<std::string> keys;
  for (const auto& [path, fields] : fields_by_path(root)) keys.push_back(path);
  return keys;
}

std::vector<std::string> shaping_keys(const Section& root) {
  return keys_with(root, &Field::Impl::shapes_state);
}

nlohmann::json json_values(const Section& root) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& entry : root.impl().entries) {
    if (entry.field) {
      if (entry.field->applies()) json[entry.key] = json_of(entry.field->get());
    } else if (entry.section->impl().entries.empty() || entry.section->impl().applies()) {
      json[entry.key] = json_values(*entry.section);
    }
  }
  return json;
}

}  // namespace ebb::config
