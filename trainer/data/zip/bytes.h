// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

// Numbers of zip archives: little-endian, not aligned.
namespace ebb::data::zip {

static_assert(std::endian::native == std::endian::little,
              "numbers are read in the byte order of the archive");

inline constexpr std::uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50,
                               kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
inline constexpr std::int64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                              kLocatorBytes = 20;
inline constexpr std::uint16_t kStored = 0, kDeflated = 8;
inline constexpr std::uint16_t kEncryptedFlags = 1U << 0U | 1U << 6U | 1U << 13U, kPatchFlag = 1U << 5U,
                               kSizesFollowFlag = 1U << 3U;
inline constexpr std::uint32_t kIn64 = 0xffffffff;  // the value is in the zip64 field

template <class T>
T number(std::span<const std::byte> bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.subspan(at, sizeof value).data(), sizeof value);
  return value;
}

}  // namespace ebb::data::zip
