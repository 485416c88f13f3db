// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/units.h"
#include "config/environment_variables.h"
#include "config/scalar.h"

namespace ebb::config {
namespace {

std::string render_text(std::string_view text) {
  // A text is unquoted only if every YAML reader reads it as this text.
  static constexpr std::array<std::string_view, 9> kWords{"true", "false", "null", "yes", "no",
                                                          "on",   "off",   "y",    "n"};
  const auto plain = [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-' || c == '/' || c == '.';
  };
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  const bool starts_plain = !text.empty() && (std::isalpha(static_cast<unsigned char>(text.front())) != 0 ||
                                              text.front() == '/' || text.front() == '_');
  if (starts_plain && std::ranges::all_of(text, plain) && std::ranges::find(kWords, lower) == kWords.end()) {
    return std::string(text);
  }
  std::string out = "\"";
  for (const char c : escape_environment(text)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (byte < 0x20 || byte == 0x7F) {
      out += fmt::format("\\x{:02x}", byte);
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string render_bound(const Field::Impl& field, double bound) {
  switch (field.kind) {
    case ValueKind::bytes:
    case ValueKind::bytes_or_auto:
      return exact_bytes(static_cast<std::int64_t>(bound));
    case ValueKind::duration:
      return fmt::format("{}s", bound);
    case ValueKind::integer:
    case ValueKind::integer_or_auto:
      return fmt::format("{}", static_cast<std::int64_t>(bound));
    default:
      return fmt::format("{}", bound);
  }
}

std::string kind_text(const Field::Impl& field) {
  switch (field.kind) {
    case ValueKind::text:
      return field.is_file_name ? "the name of a file or folder, without a path" : "text";
    case ValueKind::integer:
      return "an integer";
    case ValueKind::number:
      return "a number";
    case ValueKind::flag:
      return "true or false";
    case ValueKind::bytes:
      return "a size such as 25MiB";
    case ValueKind::duration:
      return "a duration such as 300s";
    case ValueKind::bytes_or_auto:
      return "auto or a size such as 25MiB";
    case ValueKind::integer_or_auto:
      return "auto or an integer";
    case ValueKind::choice:
      return fmt::format("{}", fmt::join(field.words, ", "));
    case ValueKind::texts:
      return field.has_key_paths ? "a list of keys and sections such as [run.steps, optimizer]"
                                 : "a list such as [a, b]";
  }
  return "";
}

}  // namespace

std::string allowed(const Field::Impl& field) {
  std::vector<std::string> bounds;
  if (field.at_least) bounds.push_back("at least " + render_bound(field, *field.at_least));
  if (field.above) bounds.push_back("above " + render_bound(field, *field.above));
  if (field.at_most) bounds.push_back("at most " + render_bound(field, *field.at_most));
  if (field.below) bounds.push_back("below " + render_bound(field, *field.below));
  std::string text = kind_text(field);
  if (!bounds.empty()) text += fmt::format(" {}", fmt::join(bounds, " and "));
  if (!field.unit.empty()) text += fmt::format(", in {}", field.unit);
  return text;
}

std::string render_value(const Field::Impl& field, const Value& value) {
  if (std::holds_alternative<std::monostate>(value)) return "auto";
  if (const auto* flag = std::get_if<bool>(&value)) return *flag ? "true" : "false";
  if (const auto* text = std::get_if<std::string>(&value)) return render_text(*text);
  if (const auto* texts = std::get_if<std::vector<std::string>>(&value)) {
    std::vector<std::string> items;
    for (const std::string& text : *texts) items.push_back(render_text(text));
    return fmt::format("[{}]", fmt::join(items, ", "));
  }
  if (const auto* number = std::get_if<double>(&value)) {
    return fmt::format("{}{}", *number, field.kind == ValueKind::duration ? "s" : "");
  }
  const std::int64_t integer = std::get<std::int64_t>(value);
  const bool size = field.kind == ValueKind::bytes || field.kind == ValueKind::bytes_or_auto;
  return size ? exact_bytes(integer) : fmt::format("{}", integer);
}

}  // namespace ebb::config
