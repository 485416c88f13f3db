// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace ebb {

// Why a text is not read as JSON, for a person: "parse error at line 2, column 1: ...".
struct JsonError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

inline constexpr std::size_t kDeepestJson = 64;                      // arrays and objects within each other
inline constexpr std::size_t kLargestJson = std::size_t{256} << 20;  // bytes
// A value takes about 100 bytes of memory, and "0," takes 2 of the text.
inline constexpr std::size_t kMostJsonValues = std::size_t{1} << 24;

// Reads JSON (RFC 8259) in UTF-8. All JSON is read by it, since files of others are not trusted. JsonError if
// the text is not JSON, has another encoding, is larger than kLargestJson, has more than kMostJsonValues, is
// nested deeper than kDeepestJson, or has an object with two equal keys. Json: nlohmann::json or
// nlohmann::ordered_json.
template <class Json = nlohmann::json>
Json parse_json(std::string_view text);

// As parse_json(). In place of an error it returns a discarded value, which is neither an object nor an
// array.
nlohmann::json parse_json_or_discard(std::string_view text);

// Whether the value is an integer in [least, most].
template <class Json>
bool is_whole_number(const Json& value, std::int64_t least = INT64_MIN, std::int64_t most = INT64_MAX) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned() && value.template get<std::uint64_t>() > std::uint64_t{INT64_MAX})
    return false;
  const auto number = value.template get<std::int64_t>();
  return number >= least && number <= most;
}

// Returns an integer within std::int64_t; otherwise throws nlohmann::json::type_error. The library's
// conversion accepts any number: it truncates fractions, and a number out of range is undefined behaviour.
template <class Json>
std::int64_t whole_number(const Json& value) {
  if (!is_whole_number(value))
    throw nlohmann::json::type_error::create(302, "a whole number is expected, not " + value.dump(), &value);
  return value.template get<std::int64_t>();
}

// The same for an integer in [least, most]; otherwise throws nlohmann::json::out_of_range.
template <class Json>
std::int64_t whole_number(const Json& value, std::int64_t least, std::int64_t most) {
  const std::int64_t number = whole_number(value);
  if (!is_whole_number(value, least, most))
    throw nlohmann::json::out_of_range::create(401,
                                               "a number from " + std::to_string(least) + " to " +
                                                   std::to_string(most) + " is expected, not " + value.dump(),
                                               &value);
  return number;
}

template <class Json>
std::vector<std::int64_t> whole_numbers(const Json& list) {
  if (!list.is_array())
    throw nlohmann::json::type_error::create(302, "a list is expected, not " + list.dump(), &list);
  std::vector<std::int64_t> all;
  for (const Json& value : list) all.push_back(whole_number(value));
  return all;
}

}  // namespace ebb
