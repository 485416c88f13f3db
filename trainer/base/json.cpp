// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <fmt/format.h>

#include <unordered_set>

#include "base/units.h"

namespace ebb {
namespace {

// Throws for what the library's parser accepts: deep nesting, whose values its recursive functions (copies,
// dump) cannot take, equal keys, of which it keeps the last, and more values than memory is meant for. It
// builds nothing: the library's parser with a callback takes time that grows with the square of a list.
template <class Json>
class Check final : public nlohmann::json_sax<Json> {
 public:
  using typename nlohmann::json_sax<Json>::number_integer_t;
  using typename nlohmann::json_sax<Json>::number_unsigned_t;
  using typename nlohmann::json_sax<Json>::number_float_t;
  using typename nlohmann::json_sax<Json>::string_t;
  using typename nlohmann::json_sax<Json>::binary_t;

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (!open_.back().insert(key).second)
      throw JsonError(fmt::format("the key {} occurs twice in an object", Json(key).dump()));
    return true;
  }
  // The second reading finds the same fault, and words it.
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  bool value() {
    if (++values_ > kMostJsonValues)
      throw JsonError(fmt::format("it has more than {} values", kMostJsonValues));
    return true;
  }
  bool open() {
    open_.emplace_back();
    if (open_.size() > kDeepestJson)
      throw JsonError(fmt::format("it is nested deeper than {} levels", kDeepestJson));
    return value();
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  std::vector<std::unordered_set<std::string>> open_;  // keys of each
  std::size_t values_ = 0;
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
  try {
    Check<Json> check;
    (void)Json::sax_parse(text, &check);
    return Json::parse(text);
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
