// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/description.h"
#include "config/problems.h"
#include "config/scalar.h"

namespace ebb::config {

// A scalar and its place.
struct Given {
  Scalar scalar;
  std::string place;  // "file:line", or the override
  int line = 0;
  bool is_saved = false;                          // in a saved configuration: the environment is not for it
  std::optional<std::vector<Scalar>> items = {};  // of a list, in place of the scalar
  bool has_defaults = false;                      // the run that saved it had the defaults of its references
};

// The values of a file and its overrides, by key path, not parsed yet.
struct GivenValues {
  std::map<std::string, Given, std::less<>> values;
  std::set<std::string, std::less<>> refused;             // present keys with a reported problem
  std::map<std::string, int, std::less<>> section_lines;  // of the sections in the file
};

// `name` is the name of the text in messages. It adds to `problems` unknown and repeated keys, and lists or
// sections in the place of a value. Error(usage): invalid YAML.
GivenValues read_yaml(const std::string& text, const std::string& name, const Section& root,
                      Problems& problems);

// Applies "key.path=value": the value replaces that of the file.
void apply_override(std::string_view text, const Section& root, GivenValues& given, Problems& problems);

}  // namespace ebb::config
