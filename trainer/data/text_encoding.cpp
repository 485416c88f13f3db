// SPDX-License-Identifier: Apache-2.0
#include "data/text_encoding.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <utility>

#include "base/lfs_pointer.h"
#include "base/utf8.h"

namespace ebb::data {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::array<std::pair<std::string_view, const char*>, 21> kMagics{{
    {"\x89PNG\r\n\x1a\n"sv, "a PNG image"},
    {"\xff\xd8\xff"sv, "a JPEG image"},
    {"GIF87a"sv, "a GIF image"},
    {"GIF89a"sv, "a GIF image"},
    {"%PDF-"sv, "a PDF document"},
    {"PK\x03\x04"sv, "a ZIP archive (such as .npz, .pt or .docx)"},
    {"PAR1"sv, "a Parquet file: write its text column as JSON lines first"},
    {"ARROW1"sv, "an Arrow file: write its text column as JSON lines first"},
    {"\x93NUMPY"sv, "a NumPy array"},
    {"\x89HDF\r\n\x1a\n"sv, "an HDF5 file"},
    {"SQLite format 3\0"sv, "an SQLite database"},
    {"GGUF"sv, "a file of GGUF weights"},
    {"\x7f"
     "ELF"sv,
     "a program"},
    {"BZh91AY&SY"sv, "packed by bzip2: unpack it first"},
    {"\xfd"
     "7zXZ\0"sv,
     "packed by xz: unpack it first"},
    {"MMIDIDX\0\0"sv, "an index of Megatron"},
    {"\xff\xfe\0\0"sv, "UTF-32: convert it to UTF-8 by iconv"},
    {"\0\0\xfe\xff"sv, "UTF-32: convert it to UTF-8 by iconv"},
    {"\x1f\x8b"sv, "packed by gzip within another packing: unpack it first"},
    {"\x28\xb5\x2f\xfd"sv, "packed by Zstandard within another packing: unpack it first"},
    {kLfsPointer, "a pointer of git-lfs: fetch the file by `git lfs pull`"},
}};
constexpr std::size_t kTarMagic = 257;  // its offset

void append_utf8(char32_t c, std::string& text) {
  const auto put = [&](char32_t byte) { text += static_cast<char>(static_cast<unsigned char>(byte)); };
  const auto more = [&](int shift) { put(0x80 | ((c >> shift) & 0x3f)); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xc0 | (c >> 6));
    more(0);
  } else if (c < 0x10000) {
    put(0xe0 | (c >> 12));
    more(6);
    more(0);
  } else {
    put(0xf0 | (c >> 18));
    more(12);
    more(6);
    more(0);
  }
}

}  // namespace

std::string kind_of_no_text(std::string_view head) {
  // A text may begin with the letters of a format ("GGUF is a format"); only the pointer is text itself.
  const std::string_view whole = head.substr(0, head.size() - incomplete_bytes(head));
  const bool is_text =
      whole.find('\0') == std::string_view::npos && find_not_utf8(whole) == std::string_view::npos;
  for (const auto& [magic, kind] : kMagics)
    if (head.starts_with(magic) && (!is_text || magic == kLfsPointer)) return kind;
  if (head.size() > kTarMagic && head.substr(kTarMagic).starts_with("ustar"))
    return "a tar archive: unpack it first";
  if (const std::size_t zero = head.find('\0'); zero != std::string_view::npos)
    return "binary data, or UTF-16 without a byte order mark: byte " + std::to_string(zero) + " is zero";
  return "";
}

bool Utf16Decoder::put(char32_t unit, std::string& text) {
  const bool is_high = unit >= 0xd800 && unit < 0xdc00, is_low = unit >= 0xdc00 && unit < 0xe000;
  if (is_low != (high_ != 0)) return false;
  if (is_low) unit = 0x10000 + ((high_ - 0xd800) << 10) + (unit - 0xdc00);
  high_ = is_high ? unit : 0;
  if (!is_high) append_utf8(unit, text);
  return true;
}

bool Utf16Decoder::decode(std::string_view bytes, std::string& text) {
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (!has_byte_) {
      byte_ = byte;
      has_byte_ = true;
      continue;
    }
    has_byte_ = false;
    const char32_t first = byte_, second = byte;
    if (!put(big_endian_ ? first << 8 | second : second << 8 | first, text)) return false;
  }
  return true;
}

}  // namespace ebb::data
