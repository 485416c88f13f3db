// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/references.h"
#include "config/section.h"

namespace ebb::config {

// Reads a strict YAML file into a described struct. An absent key keeps its default.
//
// Unknown keys, duplicate keys, wrong types, values out of range, empty values and missing required keys are
// an Error(usage). It lists up to ten problems together. Those of conditions and of keys with several
// descriptions appear only once the others are mended. Each has file:line, the whole key path, the allowed
// values (type, bounds, words) and the nearest known key. The struct is then partly filled.
//
// `overrides` are "key.path=value", applied after the file; the last one for a key wins. Messages show an
// override in place of file:line. Its value is literal, or a YAML text if it begins with a quote.
//
// ${NAME} and ${NAME:-default} in a value are replaced from the environment. An unset NAME without default is
// an error. "$${" is a literal "${". Messages have such a value as it was written. Returns the texts with
// references, for the functions below.
References load(const std::filesystem::path& file, const std::vector<std::string>& overrides, Section& root);
// The same for YAML in a string; messages call it `name`.
References load_text(const std::string& yaml, const std::string& name,
                     const std::vector<std::string>& overrides, Section& root);
// The same for what a run has saved, such as the configuration in a checkpoint. It may be from somebody else,
// so it gets nothing from the environment: a text with references stays as it is written, its Reference is
// not known, and rules about it are not checked. The keys `defaulted`, of defaulted_keys() of the run, have
// the defaults of their references. Overrides are the user's own, and are expanded.
References load_saved(const std::string& yaml, const std::string& name,
                      const std::vector<std::string>& overrides, Section& root,
                      const std::vector<std::string>& defaulted = {});

// Returns the resolved configuration as YAML for RUN/config.yaml: every key that applies, in the order
// described. load_text() restores the same values, in the same environment. A text that still has the value
// of its Reference is as it was written. Without `references`, all values are those in memory: nothing for a
// file.
std::string resolved_yaml(const Section& root, const References& references = {});
// Returns the XXH3 of all values in memory, in hexadecimal. All ranks compare it first.
std::string digest(const Section& root);
// Returns "key.path" and value of each key that is not free_to_change. A resumed run must have the same. A
// text with references is compared as it was written: a checkpoint must not hold its value, and a hash can be
// guessed. (All texts of ebb are free to change.)
std::vector<std::pair<std::string, std::string>> mathematical_values(const Section& root,
                                                                     const References& references = {});
// Returns the path of each key that is free_to_change and applies.
std::vector<std::string> free_keys(const Section& root);
// Returns the path of each key, also of those that do not apply, once.
std::vector<std::string> all_keys(const Section& root);
// Returns the path of each key on which the tensors of a checkpoint depend, and that applies.
std::vector<std::string> shaping_keys(const Section& root);

// Returns the value of every key that applies, in JSON objects nested as the sections are. Bytes and seconds
// are numbers; auto is the text "auto".
nlohmann::json json_values(const Section& root);

std::string json_schema(const Section& root);  // JSON Schema, draft 2020-12
// Returns the path of the key that `name` probably means ("lr" or "learning_rate" -> "optimizer.lr"); empty
// if none.
std::string suggested_path(const Section& root, std::string_view name);
// Explains a key, or every key of a section: doc, type, bounds, words, unit, default. An empty key explains
// all. Error(usage) with the nearest known key if it is unknown.
std::string explain(const Section& root, std::string_view key);

}  // namespace ebb::config
