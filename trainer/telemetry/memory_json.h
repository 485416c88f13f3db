// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <nlohmann/json.hpp>
#include <string>

#include "memory/ledger.h"

namespace ebb::telemetry {

// {"parameters": bytes, …}: all classes, in their order.
inline nlohmann::ordered_json by_class(const memory::Sums& sums) {
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (std::size_t c = 0; c < sums.size(); ++c) json[std::string(memory::kClassNames[c])] = sums[c];
  return json;
}

}  // namespace ebb::telemetry
