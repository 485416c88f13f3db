// SPDX-License-Identifier: Apache-2.0
#include "doctor/outcomes.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/json.h"
#include "base/units.h"

namespace ebb::doctor {

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Outcome, rank, host, code, message, found, seconds)

std::string Outcome::to_text() const {
  return nlohmann::json(*this).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Outcome Outcome::parse(const std::string& text) {
  return parse_json_or_discard(text).get<Outcome>();
}

Check summarize(const std::string& name, const std::vector<Outcome>& outcomes, const std::string& found) {
  const auto failed = [](const Outcome& outcome) { return outcome.code != 0; };
  const auto first = std::ranges::find_if(outcomes, failed);
  if (first == outcomes.end()) return {name, Health::ok, found, {}, ExitCode::ok};
  const auto more = std::ranges::count_if(outcomes, failed) - 1;
  // The first line of the message says what happened, the rest how to fix it.
  const std::size_t end = first->message.find('\n');
  std::string to_do = end == std::string::npos ? "" : first->message.substr(end + 1);
  to_do.erase(0, to_do.find_first_not_of(' '));
  return {name, Health::fail,
          fmt::format("rank {} on {}: {}{}", first->rank, first->host, first->message.substr(0, end),
                      more > 0 ? fmt::format(" (and {} other rank{})", more, more == 1 ? "" : "s") : ""),
          to_do, static_cast<ExitCode>(first->code)};
}

std::string rate_text(double bytes, double seconds) {
  return seconds > 0 ? format_bytes(static_cast<std::int64_t>(bytes / seconds)) + "/s" : "no time";
}

}  // namespace ebb::doctor
