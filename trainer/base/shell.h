// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb {

// Quotes a word for a POSIX shell. A word without special characters is unchanged.
std::string shell_quoted(const std::string& word);

}  // namespace ebb
