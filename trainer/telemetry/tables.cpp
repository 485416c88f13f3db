// SPDX-License-Identifier: Apache-2.0
#include "telemetry/tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/units.h"

namespace ebb::telemetry {
namespace {

constexpr std::size_t kWidest = 110;
constexpr std::size_t kLongestHost = 14;
constexpr std::array<std::string_view, memory::kClasses> kShortNames = {"params", "grads",  "optim", "activ",
                                                                        "comm",   "worksp", "data",  "ckpt"};

using Row = std::vector<std::string>;

struct Style {
  bool short_names, short_units;
  std::string_view gap;
};

// 26214400 -> "25.0M", 262144000 -> "250M"
std::string compact_bytes(std::int64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes);
  auto value = static_cast<double>(bytes);
  std::size_t unit = 0;
  constexpr std::string_view kUnits = "BKMGTPE";
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return value < 99.95 ? fmt::format("{:.1f}{}", value, kUnits[unit])
                       : fmt::format("{:.0f}{}", value, kUnits[unit]);
}

// The figures of one row: of a rank's host or of its device.
struct Line {
  const RankPeaks* rank;
  bool device;
  [[nodiscard]] const memory::Sums& sums() const { return device ? rank->device_bytes : rank->host_bytes; }
};

std::vector<Row> rows(const std::vector<Line>& lines, bool with_devices, Style style) {
  const auto bytes = [&](std::int64_t n) { return style.short_units ? compact_bytes(n) : format_bytes(n); };
  std::vector<std::size_t> classes;
  for (std::size_t c = 0; c < memory::kClasses; ++c) {
    if (std::any_of(lines.begin(), lines.end(), [&](const Line& l) { return l.sums()[c] != 0; }))
      classes.push_back(c);
  }
  const bool with_outside =
      std::any_of(lines.begin(), lines.end(), [](const Line& l) { return l.rank->outside != 0; });
  std::vector<Row> table(1);
  table[0] = {"rank", "host"};
  if (with_devices) table[0].emplace_back("where");
  for (const auto c : classes)
    table[0].emplace_back(style.short_names ? kShortNames[c] : memory::kClassNames[c]);
  table[0].insert(table[0].end(), {"total", "resident"});
  if (with_outside) table[0].emplace_back("outside");
  for (const Line& line : lines) {
    const RankPeaks& r = *line.rank;
    Row row = {std::to_string(r.rank), r.host.substr(0, kLongestHost)};
    if (with_devices) row.emplace_back(line.device ? "device" : "host");
    for (const auto c : classes) row.push_back(bytes(line.sums()[c]));
    row.push_back(bytes(line.device ? r.device_total : r.host_total));
    row.push_back(line.device ? "" : bytes(r.resident));
    if (with_outside) row.push_back(line.device ? "" : bytes(r.outside));
    table.push_back(std::move(row));
  }
  return table;
}

std::string align_columns(const std::vector<Row>& table, std::string_view separator) {
  std::vector<std::size_t> widths(table[0].size(), 0);
  for (const Row& row : table) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : table) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string_view gap = i == 0 ? "" : separator;
      line += i == 1 ? fmt::format("{}{:<{}}", gap, row[i], widths[i])
                     : fmt::format("{}{:>{}}", gap, row[i], widths[i]);
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return text;
}

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankPeaks, rank, host, host_bytes, device_bytes, host_total, device_total,
                                   resident, outside)

std::string RankPeaks::to_text() const {
  return nlohmann::json(*this).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

RankPeaks RankPeaks::parse(const std::string& text) {
  try {
    return nlohmann::json::parse(text).get<RankPeaks>();
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::communication, "a rank sent memory peaks that cannot be parsed", e);
  }
}

std::string peak_table(const std::vector<RankPeaks>& ranks) {
  const bool with_devices =
      std::any_of(ranks.begin(), ranks.end(), [](const RankPeaks& r) { return r.device_total != 0; });
  std::vector<Line> lines;
  for (const RankPeaks& rank : ranks) {
    lines.push_back({&rank, false});
    if (with_devices) lines.push_back({&rank, true});
  }
  std::string text;
  for (const Style style : {Style{false, false, "  "}, Style{false, true, "  "}, Style{true, true, "  "},
                            Style{true, true, " "}}) {
    text = align_columns(rows(lines, with_devices, style), style.gap);
    std::size_t widest = 0;
    for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
      widest = std::max(widest, text.find('\n', at) - at);
    }
    if (style.short_units) text += "(K, M, G: binary units)\n";
    if (widest <= kWidest) break;
  }
  return text;
}

}  // namespace ebb::telemetry
