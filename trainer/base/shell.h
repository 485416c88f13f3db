#pragma once
#include <string>

namespace ebb {

// The word as a POSIX shell reads it back; plain ones stay as they are.
std::string shell_quoted(const std::string& word);

}  // namespace ebb
