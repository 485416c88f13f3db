#pragma once
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/description.h"
#include "config/problems.h"
#include "config/scalar.h"

namespace ebb::config {

// A scalar and where it was written.
struct Given {
  Scalar scalar;
  std::string place;  // "file:line", or the override
  int line = 0;
};

// What a file and its overrides give, by key path, before it is given types.
struct GivenValues {
  std::map<std::string, Given, std::less<>> values;
  std::set<std::string, std::less<>> refused;             // keys that are there, but already a problem
  std::map<std::string, int, std::less<>> section_lines;  // of the sections that the file has
};

// `name` is what messages call the text. Unknown and repeated keys, and lists or sections where a value is
// expected, go into `problems`; what is no YAML at all is thrown.
GivenValues read_yaml(const std::string& text, const std::string& name, const Section& root,
                      Problems& problems);

// "key.path=value": puts the value over what the file gave.
void apply_override(std::string_view text, const Section& root, GivenValues& given, Problems& problems);

}  // namespace ebb::config
