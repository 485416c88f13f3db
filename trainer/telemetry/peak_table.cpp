// SPDX-License-Identifier: Apache-2.0
#include "telemetry/peak_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <numeric>

#include "base/error.h"
#include "base/json.h"
#include "base/units.h"

namespace ebb::memory {
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PhaseTotal, phase, bytes)
}  // namespace ebb::memory

namespace ebb::telemetry {
namespace {

constexpr std::size_t kMostColumns = 4;  // of ranks
constexpr std::size_t kNameWidth = 15, kColumnWidth = 12, kGap = 1;

std::int64_t total_bytes(const memory::Sums& classes) {
  return std::accumulate(classes.begin(), classes.end(), std::int64_t{0});
}

struct Column {
  std::string title, host;
  PeakBytes bytes;
  memory::Sums device{};
};

Column column_of(const RankPeaks& peaks) {
  return {fmt::format("rank {}", peaks.rank), peaks.host.substr(0, kColumnWidth), peaks.host_bytes,
          peaks.device_bytes};
}

// `most`: the number of ranks of which each has a column.
std::vector<Column> columns_of(const std::vector<RankPeaks>& ranks, std::size_t most) {
  std::vector<Column> columns;
  if (ranks.size() <= most) {
    for (const RankPeaks& one : ranks) columns.push_back(column_of(one));
    return columns;
  }
  const auto [low, high] =
      std::ranges::minmax_element(ranks, {}, [](const RankPeaks& one) { return one.host_bytes.resident; });
  return {column_of(*low), column_of(*high)};
}

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  void texts(const std::function<std::string(const Column&)>& of) {
    std::string line(kNameWidth, ' ');
    for (const Column& column : columns_) line += cell(of(column));
    text_ += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  // Leaves a row of zeros out, unless it is `always` shown.
  void row(const std::string& name, const std::function<std::int64_t(const Column&)>& of,
           bool always = false) {
    if (!always && std::ranges::all_of(columns_, [&](const Column& c) { return of(c) == 0; })) return;
    text_ += fmt::format("{:<{}}", name, kNameWidth);
    for (const Column& column : columns_) text_ += cell(format_bytes(of(column)));
    text_ += "\n";
  }
  void classes(const std::function<const memory::Sums&(const Column&)>& of) {
    for (std::size_t c = 0; c < memory::kClasses; ++c)
      row(std::string(memory::kClassNames[c]), [&](const Column& column) { return of(column)[c]; });
    row("total", [&](const Column& column) { return total_bytes(of(column)); }, true);
  }
  void phases(const std::vector<memory::PhaseTotal>& names, const std::string& place) {
    text_ += "\nLargest total in each phase" + place + "\n";
    for (const memory::PhaseTotal& name : names) {
      text_ += fmt::format("{:<{}}", name.phase.substr(0, kNameWidth), kNameWidth);
      for (const Column& column : columns_) {
        const auto found =
            std::ranges::find(column.bytes.phases, name.phase, [](const auto& one) { return one.phase; });
        text_ += cell(found == column.bytes.phases.end() ? "-" : format_bytes(found->bytes));
      }
      text_ += "\n";
    }
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  static std::string cell(const std::string& text) {
    return fmt::format("{:{}}{:>{}}", "", kGap, text, kColumnWidth);
  }
  std::vector<Column> columns_;
  std::string text_;
};

}  // namespace

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(PeakBytes, classes, kept, resident, phases)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(RankPeaks, rank, host, host_bytes, device_bytes)

std::string RankPeaks::to_text() const {
  return nlohmann::json(*this).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

RankPeaks RankPeaks::parse(const std::string& text) {
  try {
    return parse_json_or_discard(text).get<RankPeaks>();
  } catch (const nlohmann::json::exception& e) {
    throw Error(ExitCode::communication, "a rank sent memory peaks that cannot be parsed", e);
  }
}

std::string peak_table(const std::vector<RankPeaks>& ranks, const std::optional<PeakBytes>& plan,
                       int screen) {
  const int fixed = static_cast<int>(kNameWidth + (plan ? kGap + kColumnWidth : 0));
  const int room = (screen - fixed) / static_cast<int>(kGap + kColumnWidth);
  const auto most = static_cast<std::size_t>(std::clamp(room, 2, static_cast<int>(kMostColumns)));
  std::vector<Column> columns;
  if (plan) columns.push_back({"plan", "", *plan, {}});
  for (Column& column : columns_of(ranks, most)) columns.push_back(std::move(column));
  Table table(columns);
  table.texts([](const Column& column) { return column.title; });
  if (std::ranges::any_of(ranks, [&](const RankPeaks& one) { return one.host != ranks.front().host; }))
    table.texts([](const Column& column) { return column.host; });
  std::string text;
  const bool on_devices =
      std::ranges::any_of(ranks, [](const RankPeaks& one) { return total_bytes(one.device_bytes) != 0; });
  if (on_devices) {
    table.classes([](const Column& column) -> const memory::Sums& { return column.device; });
    text = table.take() + "\nHost memory\n";
  }
  table.classes([](const Column& column) -> const memory::Sums& { return column.bytes.classes; });
  table.row("kept", [](const Column& column) { return column.bytes.kept; });
  table.row("outside", [](const Column& column) {
    return column.bytes.resident - total_bytes(column.bytes.classes) - column.bytes.kept;
  });
  table.row("resident", [](const Column& column) { return column.bytes.resident; }, true);
  if (!ranks.empty() && ranks.front().host_bytes.phases.size() > 1)
    table.phases(ranks.front().host_bytes.phases, on_devices ? " (device)" : "");
  text += table.take();
  if (ranks.size() > most)
    text += fmt::format("(the ranks with the least and the most resident memory, of {})\n", ranks.size());
  return text;
}

}  // namespace ebb::telemetry
