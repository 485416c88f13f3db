// SPDX-License-Identifier: Apache-2.0
#include "base/printable.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/utf8.h"

namespace ebb {
namespace {

// The length of the printable character at the start of `text`, in bytes; 0: there is none.
std::size_t printable_length(std::string_view text) {
  const auto [code, length] = first_character(text);
  const bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
  return is_control ? 0 : length;
}

}  // namespace

std::size_t find_unprintable(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t length = printable_length(text.substr(i));
    if (length == 0) return i;
    i += length;
  }
  return std::string_view::npos;
}

std::string unprintable_problem(std::string_view text) {
  const std::size_t at = find_unprintable(text);
  return at == std::string_view::npos
             ? ""
             : fmt::format("has the byte 0x{:02x} at offset {}, which is no printable UTF-8",
                           static_cast<unsigned char>(text[at]), at);
}

std::string replace_unprintable(std::string_view text,
                                const std::function<std::string(std::string_view)>& part,
                                const std::function<std::string(unsigned char)>& byte) {
  std::string out;
  while (!text.empty()) {
    const std::size_t good = std::min(find_unprintable(text), text.size());
    out += part(text.substr(0, good));
    text.remove_prefix(good);
    if (text.empty()) break;
    const char bad = text.front();
    out += bad == '\n' || bad == '\t' ? std::string(1, bad) : byte(static_cast<unsigned char>(bad));
    text.remove_prefix(1);
  }
  return out;
}

std::string printable(std::string_view text) {
  return replace_unprintable(
      text, [](std::string_view part) { return std::string(part); },
      [](unsigned char byte) { return fmt::format("\\x{:02x}", byte); });
}

}  // namespace ebb
