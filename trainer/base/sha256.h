// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "base/error.h"

namespace ebb {

// SHA-256 (FIPS 180-4), computed incrementally. It identifies files from outside by the digest that
// `sha256sum` prints and that their publishers state. digest.h is faster, for files of ebb.
class Sha256 {
 public:
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::string hex() const;  // of the bytes so far: 64 lower-case hex digits

 private:
  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> block_{};  // its first length_ % 64 bytes wait for the rest of the block
  std::uint64_t length_ = 0;           // bytes added
};

// Of the bytes of a file, read in parts. A missing or unreadable file is an Error with the code `missing`.
std::string sha256_of_file(const std::filesystem::path& path, ExitCode missing);

}  // namespace ebb
