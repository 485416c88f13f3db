// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "base/units.h"
#include "config/description.h"
#include "config/document.h"
#include "config/scalar.h"

namespace ebb::config {
namespace {

using Json = nlohmann::ordered_json;  // keys stay in the order described

constexpr const char* kBytesPattern = "^[0-9]+(\\.[0-9]+)? ?(B|[kKMGT]B|[KMGT]iB)?$";
constexpr const char* kDurationPattern = "^[0-9]+(\\.[0-9]+)?([eE][-+]?[0-9]+)? ?(us|ms|s|m|h|d)?$";

void add_type(const Field::Impl& field, Json& json) {
  switch (field.kind) {
    case ValueKind::text:
      json["type"] = "string";
      break;
    case ValueKind::integer:
      json["type"] = "integer";
      break;
    case ValueKind::number:
      json["type"] = "number";
      break;
    case ValueKind::flag:
      json["type"] = "boolean";
      break;
    case ValueKind::bytes:
      json["type"] = {"integer", "string"};
      json["pattern"] = kBytesPattern;
      break;
    case ValueKind::duration:
      json["type"] = {"number", "string"};
      json["pattern"] = kDurationPattern;
      break;
    case ValueKind::bytes_or_auto:
      json["type"] = {"integer", "string"};
      json["pattern"] = fmt::format("^auto$|{}", kBytesPattern);
      break;
    case ValueKind::integer_or_auto:
      json["type"] = {"integer", "string"};
      json["pattern"] = "^auto$";
      break;
    case ValueKind::choice:
      json["enum"] = field.words;
      break;
    case ValueKind::texts:
      json["type"] = "array";
      json["items"] = {{"type", "string"}};
      break;
  }
}

void add_bound(const char* name, const std::optional<double>& bound, Json& json) {
  if (!bound) return;
  const auto whole = static_cast<std::int64_t>(*bound);
  if (static_cast<double>(whole) == *bound) {
    json[name] = whole;
  } else {
    json[name] = *bound;
  }
}

Json default_of(const Field::Impl& field) {
  if (const auto* flag = std::get_if<bool>(&field.initial)) return *flag;
  if (const auto* text = std::get_if<std::string>(&field.initial)) return *text;
  if (const auto* texts = std::get_if<std::vector<std::string>>(&field.initial)) return *texts;
  if (field.kind == ValueKind::number) return std::get<double>(field.initial);
  const auto* integer = std::get_if<std::int64_t>(&field.initial);
  if (integer != nullptr && (field.kind == ValueKind::integer || field.kind == ValueKind::integer_or_auto))
    return *integer;
  return render_value(field, field.initial);
}

std::string describe(const Field::Impl& field) {
  const bool bytes = field.kind == ValueKind::bytes || field.kind == ValueKind::bytes_or_auto;
  std::string unit = field.unit;
  if (unit.empty() && bytes) unit = "bytes";
  if (unit.empty() && field.kind == ValueKind::duration) unit = "seconds";
  std::string text = field.doc;
  if (!unit.empty()) text += fmt::format("{}Unit: {}.", text.empty() ? "" : " ", unit);
  if (field.only_where)
    text += fmt::format("{}Only where {}.", text.empty() ? "" : " ", field.only_where->words);
  return text;
}

Json field_schema(const Field::Impl& field) {
  Json json = Json::object();
  if (const std::string text = describe(field); !text.empty()) json["description"] = text;
  add_type(field, json);
  add_bound("minimum", field.at_least, json);
  add_bound("exclusiveMinimum", field.above, json);
  add_bound("maximum", field.at_most, json);
  add_bound("exclusiveMaximum", field.below, json);
  if (!field.required) json["default"] = default_of(field);
  return json;
}

Json section_schema(const Section& section) {
  Json json = Json::object();
  if (!section.impl().doc.empty()) json["description"] = section.impl().doc;
  json["type"] = "object";
  json["additionalProperties"] = false;
  json["properties"] = Json::object();
  Json required = Json::array();
  for (const auto& entry : section.impl().entries) {
    Json below = entry.field ? field_schema(*entry.field) : section_schema(*entry.section);
    // A section with a required key is required too.
    if (entry.field ? entry.field->required : below.contains("required")) required.push_back(entry.key);
    Json& property = json["properties"][entry.key];
    if (property.is_null()) {
      property = std::move(below);
    } else {
      // A value under several conditions must fit one of the descriptions.
      if (!property.contains("anyOf")) property = {{"anyOf", Json::array({property})}};
      property["anyOf"].push_back(std::move(below));
    }
  }
  if (!required.empty()) json["required"] = std::move(required);
  return json;
}

}  // namespace

std::string json_schema(const Section& root) {
  Json json = Json::object();
  json["$schema"] = "https://json-schema.org/draft/2020-12/schema";
  json["title"] = "ebb configuration";
  json.update(section_schema(root));
  return json.dump(2) + "\n";
}

}  // namespace ebb::config
