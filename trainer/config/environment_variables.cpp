// SPDX-License-Identifier: Apache-2.0
#include "config/environment_variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <functional>
#include <optional>
#include <stdexcept>
#include <utility>

namespace ebb::config {
namespace {

bool is_name(std::string_view name) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::ranges::all_of(name, allowed);
}

// Returns the text for ${NAME}, or for ${NAME:-fallback}.
using LookUp = std::function<std::string(const std::string& name, std::optional<std::string_view> fallback)>;

// Expands the text between `${` and `}`.
std::string expand_reference(std::string_view reference, const LookUp& look_up) {
  const std::size_t mark = reference.find(":-");
  const std::string name(reference.substr(0, mark));
  const bool has_default = mark != std::string_view::npos;
  const std::string_view fallback = has_default ? reference.substr(mark + 2) : std::string_view();
  if (!is_name(name) || fallback.find("${") != std::string_view::npos) {
    throw std::invalid_argument(fmt::format(
        "`${{{}}}` is not a reference to the environment; write ${{NAME}} or ${{NAME:-default}}, or "
        "$${{ for a literal ${{",
        reference));
  }
  return look_up(name, has_default ? std::optional(fallback) : std::nullopt);
}

std::string expand(std::string_view text, const LookUp& look_up) {
  std::string out;
  while (!text.empty()) {
    if (text.starts_with("$${")) {
      out += "${";
      text.remove_prefix(3);
    } else if (text.starts_with("${")) {
      const std::size_t end = text.find('}');
      if (end == std::string_view::npos) {
        throw std::invalid_argument(
            fmt::format("`{}` has no closing brace; write $${{ for a literal ${{", text));
      }
      out += expand_reference(text.substr(2, end - 2), look_up);
      text.remove_prefix(end + 1);
    } else {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
}

std::string value_of_variable(const std::string& name, std::optional<std::string_view> fallback) {
  const char* value = std::getenv(name.c_str());
  if (fallback && (value == nullptr || *value == '\0')) return std::string(*fallback);
  if (value == nullptr) {
    throw std::invalid_argument(
        fmt::format("the environment variable {0} is not set; set it, or write ${{{0}:-default}}", name));
  }
  return value;
}

}  // namespace

std::string expand_environment(std::string_view text) {
  return expand(text, value_of_variable);
}

std::optional<std::string> expand_defaults(std::string_view text) {
  bool has_all = true;
  std::string expanded = expand(text, [&](const std::string&, std::optional<std::string_view> fallback) {
    has_all = has_all && fallback.has_value();
    return std::string(fallback.value_or(""));
  });
  return has_all ? std::optional(std::move(expanded)) : std::nullopt;
}

bool refers_to_environment(std::string_view text) {
  for (std::size_t at = text.find("${"); at != std::string_view::npos; at = text.find("${", at + 2))
    if (at == 0 || text[at - 1] != '$') return true;
  return false;
}

std::vector<std::string> variables_of(std::string_view text) {
  std::vector<std::string> names;
  expand(text, [&names](const std::string& name, std::optional<std::string_view>) {
    names.push_back(name);
    return std::string();
  });
  return names;
}

std::string escape_environment(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i).starts_with("${")) out += '$';
    out += text[i];
  }
  return out;
}

}  // namespace ebb::config
