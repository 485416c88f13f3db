// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace ebb::data {

// A hash of a stream of bytes. Names are those of dataset indexes: xxh32, xxh64, xxh3_64, xxh128 (xxh3_128)
// and sha1. hex() is lower-case, most significant digit first, as in hashlib and xxhash.
class StreamHash {
 public:
  virtual ~StreamHash() = default;
  virtual void add(std::span<const std::byte> bytes) = 0;
  [[nodiscard]] virtual std::string hex() = 0;  // once, at the end

  static std::unique_ptr<StreamHash> make(std::string_view algorithm);  // null for an unknown name
  static bool knows(std::string_view algorithm);
};

}  // namespace ebb::data
