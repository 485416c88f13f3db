// SPDX-License-Identifier: Apache-2.0
// JSON: it is refused with a reason, or written and read again with the same result.
#include "base/json.h"
#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace ebb;
  const std::string_view text = fuzz::text(data, size);
  try {
    const nlohmann::json value = parse_json(text);
    fuzz::require(parse_json(value.dump()) == value);
    fuzz::require(parse_json_or_discard(text) == value);
    fuzz::require(parse_json<nlohmann::ordered_json>(text).size() == value.size());
  } catch (const JsonError& error) {
    fuzz::require(error.what()[0] != '\0');
    fuzz::require(parse_json_or_discard(text).is_discarded());
  }
  return 0;
}
