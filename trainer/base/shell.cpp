// SPDX-License-Identifier: Apache-2.0
#include "base/shell.h"

#include <fmt/format.h>

#include <string_view>

#include "base/printable.h"

namespace ebb {

namespace {

std::string within_quotes(std::string_view text) {
  std::string quoted;
  for (const char c : text) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted;
}

// A byte that must not reach a terminal, in the midst of a quoted word.
std::string by_printf(unsigned char byte) {
  return fmt::format("'\"$(printf '\\{:03o}')\"'", byte);
}

}  // namespace

std::string shell_quoted(const std::string& word) {
  constexpr const char* kPlain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@%+=:,./-";
  if (!word.empty() && word.find_first_not_of(kPlain) == std::string::npos) return word;
  return "'" + replace_unprintable(word, within_quotes, by_printf) + "'";
}

}  // namespace ebb
