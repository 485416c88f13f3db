// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <fmt/format.h>

#include <unordered_set>

#include "base/units.h"

namespace ebb {
namespace {

// Throws what the library's parser accepts: deep nesting, whose values its recursive functions (copies, dump)
// cannot take, and equal keys, of which it keeps the last.
template <class Json>
class Watch {
 public:
  using Event = typename Json::parse_event_t;

  bool operator()(int, Event event, Json& value) {
    switch (event) {
      case Event::object_start:
      case Event::array_start:
        open_.emplace_back();
        if (open_.size() > kDeepestJson)
          throw JsonError(fmt::format("it is nested deeper than {} levels", kDeepestJson));
        break;
      case Event::object_end:
      case Event::array_end:
        open_.pop_back();
        break;
      case Event::key: {
        const auto& key = value.template get_ref<const std::string&>();
        if (!open_.back().insert(key).second)
          throw JsonError(fmt::format("the key {} occurs twice in an object", Json(key).dump()));
        break;
      }
      default:
        break;
    }
    return true;
  }

 private:
  std::vector<std::unordered_set<std::string>> open_;  // keys of each
};

// Without the library's "[json.exception.parse_error.101] ".
std::string reason(const std::string& what) {
  const std::size_t end = what.starts_with('[') ? what.find("] ") : std::string::npos;
  return end == std::string::npos ? what : what.substr(end + 2);
}

}  // namespace

template <class Json>
Json parse_json(std::string_view text) {
  if (text.size() > kLargestJson)
    throw JsonError(fmt::format("it has {}, more than {}",
                                format_bytes(static_cast<std::int64_t>(text.size())),
                                format_bytes(std::int64_t{kLargestJson})));
  // Versions of the library word this differently.
  if (text.empty()) throw JsonError("unexpected end of input: the text is empty");
  // To the library it is the end of the text.
  if (const std::size_t zero = text.find('\0'); zero != std::string_view::npos)
    throw JsonError(fmt::format("byte {} is zero", zero));
  Watch<Json> watch;
  try {
    return Json::parse(text, std::ref(watch));
  } catch (const nlohmann::json::exception& error) {
    throw JsonError(reason(error.what()));
  }
}

template nlohmann::json parse_json<nlohmann::json>(std::string_view);
template nlohmann::ordered_json parse_json<nlohmann::ordered_json>(std::string_view);

nlohmann::json parse_json_or_discard(std::string_view text) {
  try {
    return parse_json(text);
  } catch (const JsonError&) {
    return nlohmann::json::value_t::discarded;
  }
}

}  // namespace ebb
