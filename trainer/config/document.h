#pragma once
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/section.h"

namespace ebb::config {

// Reads a strict YAML file into a described struct. A key that is not given keeps its default.
//
// Unknown keys, duplicate keys, wrong types, values out of range, empty values and missing required keys are
// an Error(usage) with file:line, the whole key path, what is allowed (type, bounds, words) and the nearest
// known key, all of a file together. The struct is then left half filled.
//
// `overrides` are "key.path=value", applied after the file; the last one of a key wins. One that is refused
// is named as the place instead of file:line. A value is taken as it stands, or as a YAML text where it
// begins with a quote.
//
// ${NAME} and ${NAME:-default} in a value are taken from the environment; an unset NAME without default is
// refused. "$${" is a literal "${".
void load(const std::filesystem::path& file, const std::vector<std::string>& overrides, Section& root);
// The same for YAML that is at hand; messages call it `name`.
void load_text(const std::string& yaml, const std::string& name, const std::vector<std::string>& overrides,
               Section& root);

// The resolved configuration as YAML (every key, in the order described), what is written into
// RUN/config.yaml. Reading it back gives the same values.
std::string resolved_yaml(const Section& root);
// XXH3 hex of all resolved values. All ranks compare it first.
std::string digest(const Section& root);
// Flat "key.path: value" pairs of the keys that are not free_to_change: what a resumed run has to agree with.
std::vector<std::pair<std::string, std::string>> mathematical_values(const Section& root);

std::string json_schema(const Section& root);  // JSON Schema, draft 2020-12
// Type, default, unit, bounds, allowed words and the doc of a key, or of every key below a section. Unknown:
// Error(usage) with the nearest one. An empty key explains all.
std::string explain(const Section& root, std::string_view key);

}  // namespace ebb::config
