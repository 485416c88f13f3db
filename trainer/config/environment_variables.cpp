// SPDX-License-Identifier: Apache-2.0
#include "config/environment_variables.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <stdexcept>

namespace ebb::config {
namespace {

bool is_name(std::string_view name) {
  const auto allowed = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name.front())) == 0 &&
         std::ranges::all_of(name, allowed);
}

// Expands the text between `${` and `}`.
std::string look_up(std::string_view reference) {
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
  const char* value = std::getenv(name.c_str());
  if (has_default && (value == nullptr || *value == '\0')) return std::string(fallback);
  if (value == nullptr) {
    throw std::invalid_argument(
        fmt::format("the environment variable {0} is not set; set it, or write ${{{0}:-default}}", name));
  }
  return value;
}

}  // namespace

std::string expand_environment(std::string_view text) {
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
      out += look_up(text.substr(2, end - 2));
      text.remove_prefix(end + 1);
    } else {
      out += text.front();
      text.remove_prefix(1);
    }
  }
  return out;
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
