// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace ebb::core {

enum class ElementType : std::uint8_t { u8, i32, i64, f16, bf16, f32 };
std::int64_t element_bytes(ElementType type);
std::string_view name(ElementType type);  // "u8", "bf16"

// Names of fields that formats provide and families read.
inline constexpr std::string_view kImageField = "image";  // u8 [C, H, W]
inline constexpr std::string_view kLabelField = "label";  // i64 []: the class of the sample
inline constexpr std::string_view kTokensField =
    "tokens";  // i32 [T + 1]: T inputs, each followed by its target
inline constexpr std::string_view kLatentField = "latent";  // [C, H, W], of a floating-point type
inline constexpr std::string_view kWeightField = "weight";  // f32 []: the sample's factor in the loss

// One field of a sample: a tensor of a fixed shape and type.
struct FieldSpec {
  std::string name;
  ElementType type = ElementType::u8;
  std::vector<std::int64_t> dims;  // of one sample; empty: a scalar

  [[nodiscard]] std::int64_t bytes() const;  // of one sample
  friend bool operator==(const FieldSpec&, const FieldSpec&) = default;
};

FieldSpec image_field(std::int64_t channels, std::int64_t height, std::int64_t width);
FieldSpec label_field();
FieldSpec tokens_field(std::int64_t tokens);  // `tokens` is T: the window holds T + 1

// The fields of one sample, in the order of their bytes in a slot. Names are unique.
struct SampleSpec {
  std::vector<FieldSpec> fields;

  [[nodiscard]] const FieldSpec* find(std::string_view name) const;  // nullptr: there is no such field
  // Error(internal) lists the existing fields.
  [[nodiscard]] const FieldSpec& at(std::string_view name) const;
  [[nodiscard]] std::int64_t bytes() const;  // of one sample, all fields together
  friend bool operator==(const SampleSpec&, const SampleSpec&) = default;
};

// [{"name": "image", "type": "u8", "dims": [1, 28, 28]}, …]. Reading throws nlohmann::json::exception for
// anything else, for an unknown type and for a size that does not fit into int64.
void to_json(nlohmann::json& json, const SampleSpec& spec);
void from_json(const nlohmann::json& json, SampleSpec& spec);

// The spec in the values of part "model" of a version-1 checkpoint: {"sample": {"dtype", "dims"}}, or
// {"image": [C, H, W]} in older ones. Throws nlohmann::json::exception if there is neither.
SampleSpec sample_spec_of_version_1(const nlohmann::json& model_values);

}  // namespace ebb::core
