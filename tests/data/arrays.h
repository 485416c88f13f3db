// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fmt/format.h>

#include <string>

#include "data/fixtures.h"
#include "data/zip_files.h"

namespace ebb::data::testing {

// A .npy file with this dictionary in its header.
inline std::string npy_with(const std::string& dictionary, const std::string& values, int version = 1) {
  std::string header = dictionary;
  const std::size_t begin = version == 1 ? 10 : 12;
  header.resize((begin + header.size() + 64) / 64 * 64 - begin, ' ');
  header.back() = '\n';
  std::string text = std::string("\x93NUMPY") + static_cast<char>(version) + '\0';
  text += version == 1 ? number_text(static_cast<std::uint16_t>(header.size()))
                       : number_text(static_cast<std::uint32_t>(header.size()));
  return text + header + values;
}
inline std::string npy_of(const std::string& descr, const std::string& shape, const std::string& values) {
  return npy_with(fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': {}, }}", descr, shape),
                  values);
}

// `count` images 1 x 2 x 3, whose pixels are pixel(i, p).
inline std::string image_values(std::int64_t count) {
  std::string values;
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t p = 0; p < 6; ++p) values += static_cast<char>(pixel(i, p));
  return values;
}
inline std::string images_npy(std::int64_t count) {
  return npy_of("|u1", fmt::format("({}, 2, 3)", count), image_values(count));
}
// Labels i % 10 as int64.
inline std::string labels_npy(std::int64_t count) {
  std::string values;
  for (std::int64_t i = 0; i < count; ++i) values += number_text(i % 10);
  return npy_of("<i8", fmt::format("({},)", count), values);
}

}  // namespace ebb::data::testing
