// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

// The values of config.json by key. A key that is null is one that is absent. Each error is Error(usage) with
// the key and its value.
namespace ebb::models {

// The error of a value that ebb does not have; `supported` completes the sentence.
[[noreturn]] void refuse_hub_key(const std::string& key, const nlohmann::json& value,
                                 const std::string& supported);

// The value of `key`, or `otherwise`.
template <class T>
T hub_value(const nlohmann::json& json, const char* key, T otherwise) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return otherwise;
  try {
    return found->get<T>();
  } catch (const nlohmann::json::exception&) {
    refuse_hub_key(key, *found, "this is of the wrong type");
  }
}

// A size: a whole number from 1 to `most`, which is small enough that no product of two overflows. Without
// `otherwise` the key is required.
std::int64_t hub_size(const nlohmann::json& json, const char* key,
                      std::optional<std::int64_t> otherwise = std::nullopt,
                      std::int64_t most = std::int64_t{1} << 24);
// A finite number that is not negative, and required.
double hub_number(const nlohmann::json& json, const char* key);
// An object; empty if the key is absent.
nlohmann::json hub_object(const nlohmann::json& json, const char* key);

// Refuses values of `key` other than `only`. An absent key has its default in `transformers`, which is one of
// them.
void require_one_of(const nlohmann::json& json, const char* key, std::initializer_list<nlohmann::json> only);
// The same for a key that the library reads as another name of a size, whose value is `size`.
void require_same_size(const nlohmann::json& json, const char* other_name, const char* key,
                       std::int64_t size);
// The keys that change what a model of any type computes, and that ebb does not have: encoders, bidirectional
// and cross attention, removed heads, and weights in fewer bits.
void require_plain_decoder(const nlohmann::json& json);

}  // namespace ebb::models
