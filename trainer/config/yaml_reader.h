// SPDX-License-Identifier: Apache-2.0
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

// The values of a file and its overrides, by key path, not parsed yet.
struct GivenValues {
  std::map<std::string, Given, std::less<>> values;
  std::set<std::string, std::less<>> refused;             // keys that are present but already reported
  std::map<std::string, int, std::less<>> section_lines;  // of the sections in the file
};

// `name` stands for the text in messages. Unknown and repeated keys, and lists or sections in the place of a
// value, are added to `problems`. Invalid YAML is thrown as Error(usage).
GivenValues read_yaml(const std::string& text, const std::string& name, const Section& root,
                      Problems& problems);

// Applies "key.path=value": the value replaces that of the file.
void apply_override(std::string_view text, const Section& root, GivenValues& given, Problems& problems);

}  // namespace ebb::config
