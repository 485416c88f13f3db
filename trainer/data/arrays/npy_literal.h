// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ebb::data {

// The dictionary in the header of a .npy file.
struct NpyLiteral {
  std::string descr;        // "<f4"
  bool structured = false;  // descr is a list of fields, which is not parsed
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
};

// Parses the Python literal `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }` with its three keys
// in any order, and blanks and a newline after it. Python 2's long integers (3L) are read too. Throws
// std::invalid_argument for anything else, with the part and its position.
NpyLiteral parse_npy_literal(std::string_view text);

}  // namespace ebb::data
