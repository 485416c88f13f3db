// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ebb::config {

// Replaces ${NAME} and ${NAME:-default} by values of the environment. The default applies if NAME is unset or
// empty. "$${" is a literal "${". Substituted text is not expanded again. Throws std::invalid_argument with
// the reason if NAME is unset without default, or if a reference is malformed.
std::string expand_environment(std::string_view text);

// Returns `text` with the default of each reference, whether or not its NAME is set; nothing if one has no
// default. Throws as expand_environment() does for a malformed reference.
std::optional<std::string> expand_defaults(std::string_view text);

// True if expand_environment() would read the environment for `text`, or refuse it.
bool refers_to_environment(std::string_view text);

// Returns the NAMEs in the order of `text`, without reading their values. Throws std::invalid_argument with
// the reason if a reference is malformed.
std::vector<std::string> variables_of(std::string_view text);

// Returns a text that expand_environment() turns into `text`.
std::string escape_environment(std::string_view text);

}  // namespace ebb::config
