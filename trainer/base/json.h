// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace ebb {

// Returns an integer within std::int64_t; otherwise throws nlohmann::json::type_error. The library's
// conversion accepts any number: it truncates fractions, and a number out of range is undefined behaviour.
template <class Json>
std::int64_t whole_number(const Json& value) {
  const bool huge =
      value.is_number_unsigned() && value.template get<std::uint64_t>() > std::uint64_t{INT64_MAX};
  if (!value.is_number_integer() || huge)
    throw nlohmann::json::type_error::create(302, "a whole number is expected, not " + value.dump(), &value);
  return value.template get<std::int64_t>();
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
