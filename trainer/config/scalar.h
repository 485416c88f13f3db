#pragma once
#include <string>
#include <string_view>

#include "config/description.h"

namespace ebb::config {

// One value as it was written: `quoted` means that YAML takes it for text whatever it looks like.
struct Scalar {
  std::string text;
  bool quoted = false;
};

// Strictly by the field's kind, bounds and words, after the environment's values are put in. Throws
// std::invalid_argument with the reason and what is allowed; the caller adds place and key.
Value parse_value(const Field::Impl& field, const Scalar& scalar);

// "a number above 0, in seconds": what a message, the schema and the explanation say is allowed.
std::string allowed(const Field::Impl& field);

// As it stands in a YAML file; parse_value reads the same value back.
std::string render_value(const Field::Impl& field, const Value& value);

}  // namespace ebb::config
