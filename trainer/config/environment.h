#pragma once
#include <string>
#include <string_view>

namespace ebb::config {

// Replaces ${NAME} and ${NAME:-default} by the environment's values; the default is taken where NAME is unset
// or empty. "$${" stands for a literal "${". What is put in is not looked at again. Throws
// std::invalid_argument with the reason for a NAME that is unset and has no default, and for a reference that
// is malformed.
std::string expand_environment(std::string_view text);

// What expand_environment makes `text` of.
std::string escape_environment(std::string_view text);

}  // namespace ebb::config
