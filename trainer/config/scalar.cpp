// SPDX-License-Identifier: Apache-2.0
#include "config/scalar.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <stdexcept>

#include "base/printable.h"
#include "base/units.h"
#include "config/environment_variables.h"

namespace ebb::config {
namespace {

[[noreturn]] void refuse(const Field::Impl& field, const std::string& reason) {
  throw std::invalid_argument(fmt::format("{}; allowed: {}", reason, allowed(field)));
}

bool is_null(const Scalar& scalar) {
  static constexpr std::array<std::string_view, 5> kNulls{"", "~", "null", "Null", "NULL"};
  return !scalar.quoted && std::ranges::find(kNulls, scalar.text) != kNulls.end();
}

std::int64_t parse_integer(const Field::Impl& field, const std::string& text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop == end && error == std::errc::result_out_of_range) {
    refuse(field, fmt::format("`{}` does not fit into 64 bits", text));
  }
  if (stop == end && error == std::errc()) {
    // YAML 1.1 reads 010 as eight, YAML 1.2 as ten.
    if (fmt::format("{}", value) == text) return value;
    refuse(field, fmt::format("`{}` has leading zeros, which YAML readers interpret differently", text));
  }
  double real = 0;
  const auto as_real = std::from_chars(text.data(), end, real);
  if (as_real.ptr == end && as_real.ec == std::errc() && std::isfinite(real)) {
    const bool whole = real == std::floor(real) && std::fabs(real) < 1e15;
    refuse(field,
           whole ? fmt::format(
                       "`{}` is written as a real number; an integer is written with digits only: {:.0f}",
                       text, real)
                 : fmt::format("`{}` is not a whole number", text));
  }
  refuse(field, fmt::format("`{}` is not an integer", text));
}

double parse_number(const Field::Impl& field, const std::string& text) {
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string_view word = lower;
  if (word.starts_with('-') || word.starts_with('+')) word.remove_prefix(1);
  if (word.starts_with('.')) word.remove_prefix(1);
  if (word == "inf" || word == "infinity" || word == "nan") {
    refuse(field, fmt::format("`{}` is not a finite number", text));
  }
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop == end && error == std::errc::result_out_of_range) {
    refuse(field, fmt::format("`{}` is too large or too small for a double", text));
  }
  if (stop != end || error != std::errc() || !std::isfinite(value)) {
    refuse(field, fmt::format("`{}` is not a number", text));
  }
  return value;
}

std::string parse_word(const Field::Impl& field, const std::string& text) {
  if (std::ranges::find(field.words, text) != field.words.end()) return text;
  const std::string near = nearest_name(text, field.words);
  refuse(field, near.empty() ? fmt::format("`{}` is not known", text)
                             : fmt::format("`{}` is not known, did you mean `{}`?", text, near));
}

[[noreturn]] void refuse_unit(const Field::Impl& field, const std::string& text, const char* kind,
                              const std::string& meant) {
  refuse(field, meant.empty() ? fmt::format("`{}` is not {}", text, kind)
                              : fmt::format("`{}` is not {}, did you mean `{}`?", text, kind, meant));
}

// Texts name files, and appear in logs and on terminals.
std::string parse_text(const Field::Impl& field, const std::string& text) {
  constexpr std::size_t kLongestName = 200;  // file systems have 255, and outputs add endings
  if (const std::string problem = unprintable_problem(text); !problem.empty())
    refuse(field, fmt::format("`{}` {}", printable(text), problem));
  const bool is_path = text.empty() || text == "." || text == ".." || text.find('/') != std::string::npos;
  if (field.is_file_name && is_path) refuse(field, fmt::format("`{}` is not a name", text));
  if (field.is_file_name && text.size() > kLongestName)
    refuse(field, fmt::format("the name has {} bytes, and {} are allowed", text.size(), kLongestName));
  return text;
}

Value parse_by_kind(const Field::Impl& field, const std::string& text) {
  switch (field.kind) {
    case ValueKind::text:
      return parse_text(field, text);
    case ValueKind::integer_or_auto:
      if (text == "auto") return std::monostate();
      [[fallthrough]];
    case ValueKind::integer:
      return parse_integer(field, text);
    case ValueKind::number:
      return parse_number(field, text);
    case ValueKind::flag:
      if (text == "true" || text == "false") return text == "true";
      refuse(field, fmt::format("`{}` is neither true nor false", text));
    case ValueKind::bytes_or_auto:
      if (text == "auto") return std::monostate();
      [[fallthrough]];
    case ValueKind::bytes:
      if (const auto bytes = parse_bytes(text)) return *bytes;
      refuse_unit(field, text, "a size in bytes", suggest_bytes(text));
    case ValueKind::duration:
      if (const auto seconds = parse_duration(text)) return *seconds;
      refuse_unit(field, text, "a duration", suggest_duration(text));
    case ValueKind::choice:
      return parse_word(field, text);
    case ValueKind::texts:
      refuse(field, fmt::format("`{0}` is not a list; write [{0}]", text));
  }
  refuse(field, "has an unknown kind");
}

void check_bounds(const Field::Impl& field, const Value& value, const std::string& text) {
  double number = 0;
  if (const auto* i = std::get_if<std::int64_t>(&value)) {
    number = static_cast<double>(*i);
  } else if (const auto* d = std::get_if<double>(&value)) {
    number = *d;
  } else {
    return;
  }
  const bool inside = (!field.at_least || number >= *field.at_least) &&
                      (!field.above || number > *field.above) &&
                      (!field.at_most || number <= *field.at_most) && (!field.below || number < *field.below);
  if (!inside) refuse(field, fmt::format("`{}` is out of range", text));
}

}  // namespace

Value parse_value(const Field::Impl& field, const Scalar& scalar) {
  if (is_null(scalar))
    refuse(field, scalar.text.empty() ? "has no value" : fmt::format("`{}` is not a value", scalar.text));
  const std::string text = expand_environment(scalar.text);
  const bool typed =
      field.kind == ValueKind::integer || field.kind == ValueKind::number || field.kind == ValueKind::flag;
  // A reference inside {} must be quoted; its expansion is typed like a plain value.
  if (typed && scalar.quoted && text == scalar.text) {
    refuse(field, fmt::format("\"{}\" is text, because of its quotes", text));
  }
  Value value = parse_by_kind(field, text);
  check_bounds(field, value, text);
  return value;
}

Value parse_texts(const Field::Impl& field, const std::vector<Scalar>& items) {
  std::vector<std::string> texts;
  for (const Scalar& item : items) {
    if (refers_to_environment(item.text))
      refuse(field, fmt::format("`{}` refers to the environment, and a list does not", item.text));
    texts.push_back(parse_text(field, expand_environment(item.text)));  // $${ becomes ${
  }
  return texts;
}

}  // namespace ebb::config
