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

std::string printable(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t good = std::min(find_unprintable(text), text.size());
    out += text.substr(0, good);
    text.remove_prefix(good);
    if (text.empty()) break;
    const char byte = text.front();
    if (byte == '\n' || byte == '\t')
      out += byte;
    else
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(byte));
    text.remove_prefix(1);
  }
  return out;
}

}  // namespace ebb
