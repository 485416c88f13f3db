// SPDX-License-Identifier: Apache-2.0
#include "telemetry/heartbeat_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace ebb::telemetry {
namespace {

// Removes the first word and the space after it from `text`, and returns the word.
std::string_view take_word(std::string_view& text) {
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(std::min(text.size(), word.size() + 1));
  return word;
}

template <class Number>
bool read_number(std::string_view word, Number& value) {
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  return error == std::errc{} && end == word.data() + word.size();
}

}  // namespace

std::string format_heartbeat(const HeartbeatLine& line) {
  return fmt::format("{}{} {} {} {:.255}{}\n", kHeartbeatMark, line.rank, line.step, memory::name(line.stage),
                     line.host, kHeartbeatEnd);
}

std::optional<HeartbeatLine> parse_heartbeat(std::string_view text) {
  if (!text.starts_with(kHeartbeatMark) || !text.ends_with(kHeartbeatEnd)) return std::nullopt;
  text.remove_prefix(kHeartbeatMark.size());
  text.remove_suffix(text.empty() ? 0 : 1);
  if (text.find(kHeartbeatEnd) != std::string_view::npos) return std::nullopt;
  HeartbeatLine line;
  if (!read_number(take_word(text), line.rank) || line.rank < 0) return std::nullopt;
  if (!read_number(take_word(text), line.step) || line.step < -1) return std::nullopt;
  const auto stage = std::ranges::find(memory::kStageNames, take_word(text));
  if (stage == memory::kStageNames.end() || text.empty()) return std::nullopt;
  line.stage = static_cast<memory::Stage>(stage - memory::kStageNames.begin());
  line.host = text;
  return line;
}

}  // namespace ebb::telemetry
