// SPDX-License-Identifier: Apache-2.0
#include "data/mds/encodings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

#include "base/error.h"
#include "data/mds/index.h"

namespace ebb::data {
namespace {

struct Fixed {
  std::string_view name;
  std::int64_t bytes;
};
constexpr std::array<Fixed, 12> kScalars = {{{"int", 8},
                                             {"uint8", 1},
                                             {"uint16", 2},
                                             {"uint32", 4},
                                             {"uint64", 8},
                                             {"int8", 1},
                                             {"int16", 2},
                                             {"int32", 4},
                                             {"int64", 8},
                                             {"float16", 2},
                                             {"float32", 4},
                                             {"float64", 8}}};
constexpr std::array<std::string_view, 13> kVariable = {
    "bytes", "str", "str_int",    "str_float", "str_decimal", "json",     "jpeg",
    "png",   "pil", "jpeg_array", "list[pil]", "list[jpeg]",  "list[png]"};

std::optional<std::int64_t> scalar_bytes(std::string_view name) {
  for (const Fixed& scalar : kScalars) {
    if (scalar.name == name) return scalar.bytes;
  }
  return std::nullopt;
}

}  // namespace

std::optional<ArrayEncoding> parse_array_encoding(std::string_view encoding) {
  constexpr std::string_view kPrefix = "ndarray:";
  if (!encoding.starts_with(kPrefix)) return std::nullopt;
  encoding.remove_prefix(kPrefix.size());
  const std::size_t colon = encoding.find(':');
  if (colon == std::string_view::npos) return std::nullopt;
  ArrayEncoding array;
  array.dtype = encoding.substr(0, colon);
  const auto item = array.dtype == "int" ? std::nullopt : scalar_bytes(array.dtype);
  if (!item) return std::nullopt;
  array.bytes = *item;
  std::string_view rest = encoding.substr(colon + 1);
  while (true) {
    std::int64_t dim = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), dim);
    if (error != std::errc{} || dim < 1 || dim > std::numeric_limits<std::uint32_t>::max() / array.bytes) {
      return std::nullopt;
    }
    array.dims.push_back(dim);
    array.bytes *= dim;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    if (rest.empty()) return array;
    if (rest.front() != ',') return std::nullopt;
    rest.remove_prefix(1);
  }
}

bool is_known_encoding(const std::string& encoding) {
  if (scalar_bytes(encoding) || parse_array_encoding(encoding)) return true;
  if (std::ranges::find(kVariable, encoding) != kVariable.end()) return true;
  if (encoding.starts_with("jpeg:")) return true;  // with a quality, which only its writer used
  if (encoding == "ndarray") return true;
  if (!encoding.starts_with("ndarray:")) return false;
  const std::string_view dtype = std::string_view(encoding).substr(8);
  return dtype != "int" && scalar_bytes(dtype).has_value();  // a type, and a shape in each sample
}

std::optional<std::int64_t> fixed_bytes(const std::string& column, const std::string& encoding,
                                        const std::string& where) {
  if (encoding == "pkl") {
    throw Error(
        ExitCode::data,
        fmt::format("{}: column '{}' is pickled (encoding pkl); a pickle can run any program when it is "
                    "read, so it is refused: write the column in another encoding",
                    where, column));
  }
  if (const auto bytes = scalar_bytes(encoding)) return bytes;
  if (const auto array = parse_array_encoding(encoding)) return array->bytes;
  if (is_known_encoding(encoding)) return std::nullopt;
  throw Error(ExitCode::data, fmt::format("{}: column '{}' has the encoding '{}', which is unknown", where,
                                          column, encoding));
}

}  // namespace ebb::data
