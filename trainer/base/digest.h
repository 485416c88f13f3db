// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace ebb {

// Returns XXH3-64 of the bytes (xxHash), as a number or as 16 lower-case hex digits.
std::uint64_t digest64(std::span<const std::byte> bytes);
std::string digest_hex(std::span<const std::byte> bytes);
std::string digest_hex(std::string_view text);

// The same digest, computed incrementally.
class Digest {
 public:
  Digest();
  ~Digest();
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  void add(std::span<const std::byte> bytes);
  [[nodiscard]] std::string hex() const;

 private:
  void* state_;
};

}  // namespace ebb
