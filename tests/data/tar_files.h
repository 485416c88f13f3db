// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

namespace ebb::data::testing {

// Makes tar archives piece by piece, so that a test can damage each. The comparison with Python's tarfile
// (tar_compare.py) has others.

inline constexpr std::string_view kUstarMagic("ustar\00000", 8), kGnuMagic("ustar  \0", 8);

// The header with a right checksum.
inline std::string with_checksum(std::string header) {
  header.replace(148, 8, 8, ' ');
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  std::string digits(6, '0');
  for (std::size_t i = 6; i-- > 0; sum /= 8) digits[i] = static_cast<char>('0' + sum % 8);
  return header.replace(148, 8, digits + std::string("\0 ", 2));
}

inline std::string octal_text(std::uint64_t value, std::size_t digits) {
  std::string text(digits, '0');
  for (std::size_t i = digits; i-- > 0; value /= 8) text[i] = static_cast<char>('0' + value % 8);
  return text;
}

inline std::string tar_header(const std::string& name, std::uint64_t size, char type = '0',
                              std::string_view magic = kUstarMagic) {
  std::string header(512, '\0');
  header.replace(0, name.size(), name);
  header.replace(100, 7, "0000644");
  header.replace(124, 11, octal_text(size, 11));
  header.replace(136, 11, octal_text(0, 11));
  header[156] = type;
  header.replace(257, magic.size(), magic);
  return with_checksum(header);
}

// The header with other bytes in its size.
inline std::string tar_header_of_size(const std::string& name, std::string_view size) {
  return with_checksum(tar_header(name, 0).replace(124, size.size(), size));
}

inline std::string padded(std::string contents) {
  contents.resize((contents.size() + 511) / 512 * 512);
  return contents;
}

inline std::string tar_file(const std::string& name, const std::string& contents, char type = '0') {
  return tar_header(name, contents.size(), type) + padded(contents);
}

inline std::string pax_record(const std::string& key, const std::string& value) {
  std::size_t length = key.size() + value.size() + 3;
  while (std::to_string(length).size() + key.size() + value.size() + 3 != length)
    length = std::to_string(length).size() + key.size() + value.size() + 3;
  return std::to_string(length) + " " + key + "=" + value + "\n";
}

inline const std::string kTarEnd(1024, '\0');

}  // namespace ebb::data::testing
