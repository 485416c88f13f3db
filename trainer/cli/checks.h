// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>

namespace ebb::cli {

// A check of an option: digits of a number from 0 on that `Integer` holds. The one of CLI11 compares real
// numbers and writes its bounds with 309 digits.
template <class Integer = std::int64_t>
CLI::Validator not_negative() {
  const auto problem_of = [](const std::string& text) -> std::string {
    Integer value = 0;
    const char* const end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (stop == end && error == std::errc() && value >= 0) return "";
    return fmt::format("{} is not a whole number from 0 to {}", text, std::numeric_limits<Integer>::max());
  };
  return CLI::Validator(problem_of, "NONNEGATIVE", "");
}

// A check of an option that names a file or folder.
inline CLI::Validator not_empty() {
  return CLI::Validator(
      [](const std::string& text) { return std::string(text.empty() ? "a name is missing" : ""); }, "", "");
}

}  // namespace ebb::cli
