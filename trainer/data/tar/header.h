// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

namespace ebb::data {

inline constexpr std::int64_t kTarBlock = 512;  // bytes; headers and contents begin at multiples of it
using TarBlock = std::span<const std::byte, static_cast<std::size_t>(kTarBlock)>;

// Where a header lies, for errors.
struct TarPlace {
  const std::filesystem::path& archive;
  std::int64_t offset = 0;  // of the header
};

// One header: of V7, ustar, GNU or pax.
struct TarHeader {
  std::string name;  // with the prefix of ustar; cut short if another header before it has the whole name
  std::int64_t size = 0;  // bytes of contents, which follow the header; 0 for types without contents
  char type = '0';        // as stored, but '0' for each regular file, and '5' for each folder
};

// Error(data) names archive, byte and fault: a wrong checksum, or a size that is negative, no number, or
// beyond 63 bits.
TarHeader parse_tar_header(TarBlock block, const TarPlace& place);
// Error(data): "ARCHIVE: the header at byte N FAULT".
[[noreturn]] void refuse_tar_header(const TarPlace& place, std::string_view fault);

bool has_tar_checksum(TarBlock block);
bool is_zero(std::span<const std::byte> bytes);
// "a folder", "a link", "a device"; what a member of this type is.
std::string_view tar_type_name(char type);

}  // namespace ebb::data
