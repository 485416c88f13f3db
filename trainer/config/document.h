#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/section.h"

namespace ebb::config {

// Reads a strict YAML file into a described struct.
//  - unknown keys, duplicate keys, wrong types and values out of range: Error(usage) with file:line, the whole key path, what is
//    allowed (type, bounds, words), and the nearest known key;
//  - `overrides` are "key.path=value", applied after the file; a key that is not there is refused the same way, "override" named
//    as the place instead of file:line;
//  - ${NAME} and ${NAME:-default} in string values are taken from the environment; an unset NAME without default is refused.
void load(const std::filesystem::path& file, const std::vector<std::string>& overrides, Section& root);

// The resolved configuration as YAML (every key, in the order described), what is written into RUN/config.yaml.
// Reading it back gives the same values.
std::string resolved_yaml(const Section& root);
// XXH3 hex of all resolved values. All ranks compare it first.
std::string digest(const Section& root);
// Flat "key.path: value" pairs of the keys that are not free_to_change: what a resumed run has to agree with.
std::vector<std::pair<std::string, std::string>> mathematical_values(const Section& root);

std::string json_schema(const Section& root);                        // JSON Schema, draft 2020-12
// Type, default, unit, bounds, allowed words and the doc of a key, or of every key below a section. Unknown: Error(usage) with
// the nearest one. An empty key explains all.
std::string explain(const Section& root, std::string_view key);

}  // namespace ebb::config
