// SPDX-License-Identifier: Apache-2.0
#include "data/tar/header.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "base/error.h"

namespace ebb::data {
namespace {

struct TarField {
  std::size_t offset, bytes;
};
constexpr TarField kName{0, 100}, kSize{124, 12}, kChecksum{148, 8}, kMagic{257, 6}, kPrefix{345, 155};
constexpr std::size_t kType = 156;

std::string_view text_of_field(TarBlock block, TarField field) {
  return {reinterpret_cast<const char*>(block.data()) + field.offset, field.bytes};
}

// Names end at a zero byte, or fill their field.
std::string_view name_in(TarBlock block, TarField field) {
  const std::string_view text = text_of_field(block, field);
  return text.substr(0, text.find('\0'));
}

// Octal digits between spaces and zero bytes; an empty field is 0. -1: anything else.
std::int64_t octal(std::string_view text) {
  constexpr std::string_view kFiller(" \0", 2);
  const std::size_t first = text.find_first_not_of(kFiller);
  if (first == std::string_view::npos) return 0;
  std::int64_t value = 0;
  std::size_t at = first;
  for (; at < text.size() && text[at] >= '0' && text[at] <= '7'; ++at) value = value * 8 + (text[at] - '0');
  const bool whole = at > first && text.find_first_not_of(kFiller, at) == std::string_view::npos;
  return whole ? value : -1;
}

// GNU's form of large numbers: the first bit is set, and the others are a big-endian number.
std::int64_t base_256(std::string_view text, const TarPlace& place) {
  const auto byte = [text](std::size_t i) { return std::int64_t{static_cast<unsigned char>(text[i])}; };
  if ((byte(0) & 0x40) != 0) refuse_tar_header(place, "gives a negative size");
  std::int64_t value = byte(0) & 0x3f;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (value > std::numeric_limits<std::int64_t>::max() >> 8)
      refuse_tar_header(place, "gives a size of more than 63 bits");
    value = value << 8 | byte(i);
  }
  return value;
}

std::int64_t size_in(TarBlock block, const TarPlace& place) {
  const std::string_view text = text_of_field(block, kSize);
  if ((static_cast<unsigned char>(text.front()) & 0x80) != 0) return base_256(text, place);
  const std::int64_t size = octal(text);
  if (size < 0) refuse_tar_header(place, "gives a size that is no octal number");
  return size;
}

// Links, devices, folders, pipes and volume labels. Some writers give the size of what a link leads to.
bool lacks_contents(char type) {
  return (type >= '1' && type <= '6') || type == 'V';
}

}  // namespace

void refuse_tar_header(const TarPlace& place, std::string_view fault) {
  throw Error(ExitCode::data,
              fmt::format("{}: the header at byte {} {}", place.archive.string(), place.offset, fault));
}

bool has_tar_checksum(TarBlock block) {
  // Old writers summed signed bytes.
  std::int64_t sum = 0, signed_sum = 0;
  for (std::size_t i = 0; i < block.size(); ++i) {
    const bool own = i >= kChecksum.offset && i < kChecksum.offset + kChecksum.bytes;
    const int value = own ? ' ' : std::to_integer<int>(block[i]);
    sum += value;
    signed_sum += value < 128 ? value : value - 256;
  }
  const std::int64_t stored = octal(text_of_field(block, kChecksum));
  return stored == sum || stored == signed_sum;
}

bool is_zero(std::span<const std::byte> bytes) {
  return std::ranges::all_of(bytes, [](std::byte b) { return b == std::byte{}; });
}

TarHeader parse_tar_header(TarBlock block, const TarPlace& place) {
  if (!has_tar_checksum(block))
    refuse_tar_header(place, "has a wrong checksum: the archive is damaged; copy or make it again");
  TarHeader header{std::string(name_in(block, kName)), size_in(block, place),
                   static_cast<char>(block[kType])};
  // GNU's format has other fields in place of the prefix, and another magic.
  const std::string_view prefix = name_in(block, kPrefix);
  if (text_of_field(block, kMagic) == std::string_view("ustar\0", 6) && !prefix.empty())
    header.name = fmt::format("{}/{}", prefix, header.name);
  if (header.type == '\0') header.type = header.name.ends_with('/') ? '5' : '0';
  if (header.type == '7') header.type = '0';
  if (lacks_contents(header.type)) header.size = 0;
  return header;
}

std::string_view tar_type_name(char type) {
  if (type == '0') return "a regular file";
  if (type == '5') return "a folder";
  if (type == '1' || type == '2') return "a link";
  if (type == '3' || type == '4') return "a device";
  if (type == '6') return "a pipe";
  return "of another type";
}

}  // namespace ebb::data
