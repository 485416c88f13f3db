// SPDX-License-Identifier: Apache-2.0
#include <nlohmann/json.hpp>
#include <type_traits>

#include "config/description.h"
#include "config/document.h"

namespace ebb::config {
namespace {

nlohmann::json json_of(const Value& value) {
  return std::visit(
      [](const auto& one) -> nlohmann::json {
        if constexpr (std::is_same_v<std::decay_t<decltype(one)>, std::monostate>) {
          return "auto";
        } else {
          return one;
        }
      },
      value);
}

}  // namespace

nlohmann::json json_values(const Section& root) {
  nlohmann::json json = nlohmann::json::object();
  for (const auto& entry : root.impl().entries) {
    if (entry.field) {
      if (entry.field->applies()) json[entry.key] = json_of(entry.field->get());
    } else if (entry.section->impl().entries.empty() || entry.section->impl().applies()) {
      json[entry.key] = json_values(*entry.section);
    }
  }
  return json;
}

}  // namespace ebb::config
