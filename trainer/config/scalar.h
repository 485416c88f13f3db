// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>
#include <vector>

#include "config/description.h"

namespace ebb::config {

// One value as written. `quoted`: YAML reads it as text, whatever its form.
struct Scalar {
  std::string text;
  bool quoted = false;
};

// Expands references to the environment, then parses a value strictly by the field's kind, bounds and words.
// Throws std::invalid_argument with the reason and the allowed values; the caller adds place and key.
Value parse_value(const Field::Impl& field, const Scalar& scalar);

// The same for a list of texts. They have no references to the environment.
Value parse_texts(const Field::Impl& field, const std::vector<Scalar>& items);

// Describes the allowed values, such as "a number above 0, in seconds", for messages, the schema and
// explanations.
std::string allowed(const Field::Impl& field);

// Formats a value for a YAML file; parse_value() reads the same value back.
std::string render_value(const Field::Impl& field, const Value& value);

}  // namespace ebb::config
