// SPDX-License-Identifier: Apache-2.0
#include "config/references.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>

#include "base/error.h"
#include "config/environment_variables.h"

namespace ebb::config {
namespace {

// The value "a" is not in "value".
bool is_part_of_word(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0;
}

}  // namespace

std::string without_values(std::string message, const std::vector<std::string>& keys,
                           const References& references) {
  for (const std::string& key : keys) {
    const auto found = references.find(key);
    if (found == references.end() || found->second.value.empty()) continue;
    const auto& [written, value, place, is_known] = found->second;
    for (std::size_t at = message.find(value); at != std::string::npos; at = message.find(value, at)) {
      const bool is_whole =
          (at == 0 || !is_part_of_word(message[at - 1])) &&
          (at + value.size() == message.size() || !is_part_of_word(message[at + value.size()]));
      if (is_whole) message.replace(at, value.size(), written);
      at += is_whole ? written.size() : 1;
    }
  }
  return message;
}

std::vector<std::string> defaulted_keys(const References& references) {
  std::vector<std::string> keys;
  for (const auto& [key, reference] : references)
    if (reference.is_known && expand_defaults(reference.written) == reference.value) keys.push_back(key);
  return keys;
}

void require_known(const References& references, std::string_view key) {
  const auto found = references.find(key);
  if (found == references.end() || found->second.is_known) return;
  throw Error(ExitCode::usage,
              fmt::format("{}: key `{}`: saved as `{}`, and ebb does not fill in saved values from the "
                          "environment ({}); add {}=VALUE to the command",
                          found->second.place, key, found->second.written,
                          fmt::join(variables_of(found->second.written), ", "), key));
}

}  // namespace ebb::config
