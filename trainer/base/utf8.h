// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ebb {

// A character of UTF-8 (RFC 3629). Overlong forms and surrogates are none.
struct Utf8Character {
  std::uint32_t code = 0;
  std::size_t length = 0;  // bytes; 0: there is none
};

// Decodes the character at the start of `text`, which is not empty.
Utf8Character first_character(std::string_view text);
// The offset of the first byte that is no part of a character; npos: there is none.
std::size_t find_not_utf8(std::string_view text);
// The bytes at the end of a text that begin a character without ending it: 0 to 3.
std::size_t incomplete_bytes(std::string_view text);

}  // namespace ebb
