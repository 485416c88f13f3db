// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <string_view>

namespace ebb::data {

// What a file is whose contents begin with `head`, for a person: "a PNG image". Empty if it may be text. It
// knows the magics of common files, and takes a zero byte for binary data.
std::string kind_of_no_text(std::string_view head);

// UTF-16 (RFC 2781) to UTF-8, in chunks of any size.
class Utf16Decoder {
 public:
  explicit Utf16Decoder(bool big_endian) : big_endian_(big_endian) {}
  // Appends to `text`. False if a surrogate has no partner.
  [[nodiscard]] bool decode(std::string_view bytes, std::string& text);
  [[nodiscard]] bool is_at_end() const { return !has_byte_ && high_ == 0; }  // of a character

 private:
  [[nodiscard]] bool put(char32_t unit, std::string& text);

  bool big_endian_, has_byte_ = false;
  unsigned char byte_ = 0;  // the first of a unit
  char32_t high_ = 0;       // the first surrogate of a pair
};

}  // namespace ebb::data
