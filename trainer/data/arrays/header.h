// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace ebb::data {

// The type and shape of an array, and where its values begin.
struct ArrayHeader {
  char kind = 'u';  // as in NumPy: 'b' bool, 'u' and 'i' integers, 'f' floating point, other letters
  std::int64_t item_bytes = 1;
  bool big_endian = false;
  bool column_major = false;  // Fortran's order
  std::vector<std::int64_t> shape;
  std::int64_t begin = 0;  // byte of the first value in the file

  [[nodiscard]] std::string type() const;     // "uint8", "float32"
  [[nodiscard]] std::string extents() const;  // "(60000, 28, 28)"
  [[nodiscard]] std::int64_t bytes() const;   // of all values
  [[nodiscard]] bool is_integer() const { return kind == 'u' || kind == 'i'; }
};

// The most bytes that a file of NumPy is read for its header.
inline constexpr std::int64_t kNpyHead = (std::int64_t{64} << 10) + 12;

// Parses the header of a .npy file of the versions 1.0, 2.0 and 3.0. `head`: its first bytes, at least
// kNpyHead or all; `size`: its length. Error(data) begins with `where` and names the fault: no .npy file,
// another version, a header above 64 KiB or one that is not the dictionary of NumPy, pickled objects, a
// structured type, a shape that overflows, and a length that does not agree with type and shape.
ArrayHeader parse_npy_header(std::span<const std::byte> head, std::int64_t size, const std::string& where);

// Multiplies the shape by the bytes of an item; false if that overflows.
bool array_bytes(const std::vector<std::int64_t>& shape, std::int64_t item_bytes, std::int64_t& bytes);

}  // namespace ebb::data
