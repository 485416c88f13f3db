// SPDX-License-Identifier: Apache-2.0
#include "models/gpt/hub_keys.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace ebb::models {

using nlohmann::json;

void refuse_hub_key(const std::string& key, const json& value, const std::string& supported) {
  constexpr std::size_t kShown = 80;
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  if (text.size() > kShown)
    text = fmt::format("{} of {} elements", value.is_structured() ? value.type_name() : "a value",
                       value.is_structured() ? value.size() : text.size());
  throw Error(ExitCode::usage, fmt::format("config.json: {} is {}; {}", key, text, supported));
}

std::int64_t hub_size(const json& json, const char* key, std::optional<std::int64_t> otherwise,
                      std::int64_t most) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) {
    if (otherwise) return *otherwise;
    throw Error(ExitCode::usage, fmt::format("config.json: {} is missing", key));
  }
  const std::int64_t value = found->is_number_integer() ? found->get<std::int64_t>() : 0;
  if (value < 1 || value > most)
    refuse_hub_key(key, *found, fmt::format("allowed: whole numbers from 1 to {}", most));
  return value;
}

double hub_number(const json& json, const char* key) {
  if (!json.contains(key) || json.at(key).is_null())
    throw Error(ExitCode::usage, fmt::format("config.json: {} is missing", key));
  const auto value = hub_value<double>(json, key, 0);
  if (!std::isfinite(value) || value < 0)
    refuse_hub_key(key, json.at(key), "allowed: numbers that are not negative");
  return value;
}

json hub_object(const json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return nlohmann::json::object();
  if (!found->is_object()) refuse_hub_key(key, *found, "allowed: an object of keys and values");
  return *found;
}

void require_one_of(const json& json, const char* key, std::initializer_list<nlohmann::json> only) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null() || std::ranges::find(only, *found) != only.end()) return;
  refuse_hub_key(key, *found,
                 only.begin()->is_null() ? "ebb does not support it"
                                         : fmt::format("ebb supports only {}", only.begin()->dump()));
}

void require_same_size(const json& json, const char* other_name, const char* key, std::int64_t size) {
  if (hub_size(json, other_name, size) != size)
    refuse_hub_key(other_name, json.at(other_name),
                   fmt::format("but {}, the name that ebb reads, is {}", key, size));
}

void require_plain_decoder(const json& json) {
  require_one_of(json, "is_encoder_decoder", {false});
  require_one_of(json, "is_causal", {true});
  require_one_of(json, "add_cross_attention", {false});
  require_one_of(json, "pruned_heads", {nlohmann::json::object()});
  require_one_of(json, "quantization_config", {nullptr});
}

}  // namespace ebb::models
