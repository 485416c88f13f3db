// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "base/printable.h"

namespace ebb {

namespace {

// A byte that must not reach a terminal, in the midst of a quoted word.
std::string by_printf(char byte) {
  return fmt::format("'\"$(printf '\\{:03o}')\"'", static_cast<unsigned char>(byte));
}

}  // namespace

std::string shell_quoted(const std::string& word) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  std::string quoted = "'";
  for (std::string_view rest = word; !rest.empty();) {
    const std::size_t good = std::min(find_unprintable(rest), rest.size());
    for (const char c : rest.substr(0, good)) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
    rest.remove_prefix(good);
    if (rest.empty()) break;
    const char byte = rest.front();
    quoted += byte == '\n' || byte == '\t' ? std::string(1, byte) : by_printf(byte);
    rest.remove_prefix(1);
  }
  return quoted + "'";
}

}  // namespace ebb
