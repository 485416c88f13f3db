// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>

namespace ebb {

// Quotes a word for a POSIX shell. A word without special characters is unchanged. The result can be printed:
// control characters, but for line ends and tabs, and bytes that are no UTF-8 are calls of printf.
std::string shell_quoted(const std::string& word);

}  // namespace ebb
