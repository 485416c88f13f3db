// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

#include "config/description.h"

namespace ebb::config {

// One value as written. `quoted`: YAML reads it as text, whatever its form.
struct Scalar {
  std::string text;
  bool quoted = false;
};

// Parses a value strictly by the field's kind, bounds and words, after expanding references to the
// environment. Throws std::invalid_argument with the reason and what is allowed; the caller adds place and
// key.
Value parse_value(const Field::Impl& field, const Scalar& scalar);

// What is allowed, such as "a number above 0, in seconds". Used by messages, the schema and explanations.
std::string allowed(const Field::Impl& field);

// Formats a value for a YAML file; parse_value() reads the same value back.
std::string render_value(const Field::Impl& field, const Value& value);

}  // namespace ebb::config
