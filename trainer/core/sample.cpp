// SPDX-License-Identifier: Apache-2.0
#include "core/sample.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/json.h"

namespace ebb::core {

using nlohmann::json;

namespace {

struct TypeRow {
  ElementType type;
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array kTypes = {
    TypeRow{ElementType::u8, "u8", 1},     TypeRow{ElementType::i32, "i32", 4},
    TypeRow{ElementType::i64, "i64", 8},   TypeRow{ElementType::f16, "f16", 2},
    TypeRow{ElementType::bf16, "bf16", 2}, TypeRow{ElementType::f32, "f32", 4},
};

const TypeRow& row(ElementType type) {
  return *std::ranges::find(kTypes, type, &TypeRow::type);
}

[[noreturn]] void refuse(const std::string& what, const json& value) {
  throw json::type_error::create(302, what + ", not " + value.dump(), &value);
}

// Models index the sizes of these fields.
void check_known_field(const FieldSpec& field, const json& value) {
  const auto expect = [&](std::string_view name, ElementType type, std::size_t dims) {
    if (field.name == name && (field.type != type || field.dims.size() != dims))
      refuse(fmt::format("{} of type {} with {} sizes is expected", name, row(type).name, dims), value);
  };
  expect(kImageField, ElementType::u8, 3);
  expect(kLabelField, ElementType::i64, 0);
  expect(kTokensField, ElementType::i32, 1);
  if (field.name == kTokensField && field.dims.front() < 2) refuse("a window of tokens is expected", value);
}

FieldSpec field_from_json(const json& value) {
  FieldSpec field;
  field.name = value.at("name").get<std::string>();
  const auto type = std::ranges::find(kTypes, value.at("type").get<std::string>(), &TypeRow::name);
  if (type == kTypes.end()) refuse("a type of elements is expected", value.at("type"));
  field.type = type->type;
  field.dims = whole_numbers(value.at("dims"));
  std::int64_t bytes = type->bytes;
  for (const std::int64_t dim : field.dims)
    if (dim < 1 || __builtin_mul_overflow(bytes, dim, &bytes))
      refuse("sizes of a field are expected", value.at("dims"));
  check_known_field(field, value);
  return field;
}

}  // namespace

std::int64_t element_bytes(ElementType type) {
  return row(type).bytes;
}

std::string_view name(ElementType type) {
  return row(type).name;
}

std::int64_t FieldSpec::bytes() const {
  std::int64_t bytes = element_bytes(type);
  for (const std::int64_t dim : dims) bytes *= dim;
  return bytes;
}

FieldSpec image_field(std::int64_t channels, std::int64_t height, std::int64_t width) {
  return {std::string(kImageField), ElementType::u8, {channels, height, width}};
}

FieldSpec label_field() {
  return {std::string(kLabelField), ElementType::i64, {}};
}

FieldSpec tokens_field(std::int64_t tokens) {
  return {std::string(kTokensField), ElementType::i32, {tokens + 1}};
}

const FieldSpec* SampleSpec::find(std::string_view name) const {
  const auto found = std::ranges::find(fields, name, &FieldSpec::name);
  return found == fields.end() ? nullptr : &*found;
}

const FieldSpec& SampleSpec::at(std::string_view name) const {
  if (const FieldSpec* const field = find(name)) return *field;
  std::string names;
  for (const FieldSpec& field : fields) names += (names.empty() ? "" : ", ") + field.name;
  throw Error(ExitCode::internal, fmt::format("a sample has no field {}; it has: {}", name, names));
}

std::int64_t SampleSpec::bytes() const {
  std::int64_t bytes = 0;
  for (const FieldSpec& field : fields) bytes += field.bytes();
  return bytes;
}

void to_json(json& value, const SampleSpec& spec) {
  value = json::array();
  for (const FieldSpec& field : spec.fields)
    value.push_back({{"name", field.name}, {"type", name(field.type)}, {"dims", field.dims}});
}

void from_json(const json& value, SampleSpec& spec) {
  if (!value.is_array() || value.empty()) refuse("a list of fields is expected", value);
  spec.fields.clear();
  for (const json& one : value) {
    FieldSpec field = field_from_json(one);
    if (spec.find(field.name) != nullptr) refuse("unique names of fields are expected", value);
    spec.fields.push_back(std::move(field));
  }
}

SampleSpec sample_spec_of_version_1(const json& values) {
  const bool plain_image = !values.contains("sample") && values.contains("image");
  const bool tokens = !plain_image && values.at("sample").at("dtype") == "int32";
  const json& dims = plain_image ? values.at("image") : values.at("sample").at("dims");
  const json field = {
      {"name", tokens ? kTokensField : kImageField}, {"type", tokens ? "i32" : "u8"}, {"dims", dims}};
  return json::array({field}).get<SampleSpec>();
}

}  // namespace ebb::core
