// SPDX-License-Identifier: Apache-2.0
#include "telemetry/memory_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>
#include <iterator>

#include "telemetry/memory_json.h"

namespace ebb::telemetry {

namespace {

using Location = memory::Ledger::Location;
using Json = nlohmann::ordered_json;

// After so many short lines comes a whole one, so that a reader finds one near.
constexpr std::int64_t kMostShortLines = 1000;
// A new peak of the resident set. The kernel's figure also grows by a few pages at a time.
constexpr std::int64_t kPeakGrowth = std::int64_t{1} << 20;

// Omits classes without bytes.
Json nonzero(const memory::Sums& peak) {
  Json json = Json::object();
  for (int c = 0; c < memory::kClasses; ++c)
    if (peak[c] > 0) json[std::string(memory::kClassNames[c])] = peak[c];
  return json;
}

// Peaks of the step by stage, without stages that have no bytes.
Json by_stage(const memory::Ledger& ledger, Location location) {
  Json json = Json::object();
  for (int s = 0; s < memory::kStages; ++s) {
    Json stage = nonzero(ledger.peak(location, static_cast<memory::Stage>(s)));
    if (!stage.empty()) json[std::string(memory::kStageNames[s])] = std::move(stage);
  }
  return json;
}

// Adds the peaks of each phase, and the bytes that were alive when it began, if the step has several phases.
// The latter have all classes, since they show which are empty then.
void add_phases(Json& json, const memory::Ledger& ledger, Location location) {
  for (const memory::PhasePeak& phase : ledger.phase_peaks(location)) {
    Json bytes = nonzero(phase.peak);
    bytes["at_start"] = by_class(phase.at_start);
    json["phases"][phase.phase] = std::move(bytes);
  }
}

// What the ledger counts in a step, as text: two steps with the same bytes have the same.
std::string bytes_of_step(const memory::Ledger& ledger) {
  std::string text;
  for (const Location location : {Location::host, Location::device}) {
    fmt::format_to(std::back_inserter(text), "{} {} {}\n", ledger.peak_total(location),
                   ledger.recorded_blocks(location), fmt::join(ledger.live(location), " "));
    for (int s = 0; s < memory::kStages; ++s)
      fmt::format_to(std::back_inserter(text), "{}\n",
                     fmt::join(ledger.peak(location, static_cast<memory::Stage>(s)), " "));
    for (const memory::PhasePeak& phase : ledger.phase_peaks(location))
      fmt::format_to(std::back_inserter(text), "{} {} {}\n", phase.phase, fmt::join(phase.peak, " "),
                     fmt::join(phase.at_start, " "));
  }
  return text;
}

bool has_saved_or_evaluated(const memory::Ledger& ledger) {
  for (const Location location : {Location::host, Location::device})
    for (const memory::Stage stage : {memory::Stage::save, memory::Stage::evaluate})
      if (ledger.peak(location, stage) != memory::Sums{}) return true;
  return false;
}

Json known(std::int64_t bytes) {
  return bytes < 0 ? Json(nullptr) : Json(bytes);
}

}  // namespace

memory::Sums step_peak(const memory::Ledger& ledger, Location location) {
  memory::Sums peak{};
  for (int s = 0; s < memory::kStages; ++s) {
    const memory::Sums stage = ledger.peak(location, static_cast<memory::Stage>(s));
    for (int c = 0; c < memory::kClasses; ++c) peak[c] = std::max(peak[c], stage[c]);
  }
  return peak;
}

MemoryLog::MemoryLog(const std::filesystem::path& run_folder, int rank, std::string host,
                     const memory::Ledger& ledger, const memory::BlockCache* cache, c10::Device device,
                     const memory::MemoryConfig& config, std::int64_t first_step, std::int64_t predicted,
                     int ranks)
    : ledger_(ledger),
      cache_(cache),
      device_(device),
      rank_(rank),
      host_(std::move(host)),
      every_(config.log_every),
      predicted_(predicted),
      ranks_(ranks),
      file_(run_folder / "memory" / fmt::format("rank-{:05}.jsonl", rank), config.log_limit, first_step) {}

void MemoryLog::write(std::int64_t step) {
  if (step % every_ != 0) return;
  const double now =
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
  const memory::SystemMemory system = memory::measure_system_memory(ledger_, cache_, device_);
  std::string bytes = bytes_of_step(ledger_);
  const bool whole = file_.at_start() || short_lines_ == kMostShortLines || bytes != last_whole_ ||
                     system.peak_resident > last_peak_resident_ + kPeakGrowth ||
                     has_saved_or_evaluated(ledger_);
  if (!whole) {
    ++short_lines_;
    file_.line(short_memory_line(step, now, ledger_, system));
    return;
  }
  file_.line(memory_line({step, now, rank_, host_, predicted_, ranks_}, ledger_, system));
  last_whole_ = std::move(bytes);
  last_peak_resident_ = system.peak_resident;
  short_lines_ = 0;
}

std::string short_memory_line(std::int64_t step, double time_s, const memory::Ledger& ledger,
                              const memory::SystemMemory& outside) {
  return fmt::format(R"({{"step":{},"time_s":{:.3f},"live_total":{},"peak_total":{},"resident":{}}})", step,
                     time_s, ledger.live_total(Location::host), ledger.peak_total(Location::host),
                     outside.resident < 0 ? "null" : std::to_string(outside.resident));
}

std::string memory_line(const LineHeader& header, const memory::Ledger& ledger,
                        const memory::SystemMemory& outside) {
  Json line = {{"step", header.step},
               {"time_s", header.time_s},
               {"rank", header.rank},
               {"ranks", header.ranks},
               {"host", header.host},
               {"live", by_class(ledger.live(Location::host))},
               {"peak", by_class(step_peak(ledger, Location::host))},
               {"stages", by_stage(ledger, Location::host)},
               {"live_total", ledger.live_total(Location::host)},
               {"peak_total", ledger.peak_total(Location::host)},
               {"blocks", ledger.recorded_blocks(Location::host)},
               {"resident", known(outside.resident)},
               {"peak_resident", known(outside.peak_resident)},
               {"outside", known(outside.outside_host)},
               {"kept", known(outside.kept)},
               {"cgroup", {{"used", known(outside.cgroup_used)}, {"limit", known(outside.cgroup_limit)}}},
               {"device", nullptr},
               {"predicted", known(header.predicted)}};
  if (outside.device_total >= 0)
    line["device"] = {{"live", by_class(ledger.live(Location::device))},
                      {"peak", by_class(step_peak(ledger, Location::device))},
                      {"stages", by_stage(ledger, Location::device)},
                      {"live_total", ledger.live_total(Location::device)},
                      {"peak_total", ledger.peak_total(Location::device)},
                      {"blocks", ledger.recorded_blocks(Location::device)},
                      {"used", outside.device_used},
                      {"total", outside.device_total},
                      {"reserved", known(outside.device_reserved)},
                      {"largest_free_block", known(outside.largest_free_block)}};
  add_phases(line, ledger, Location::host);
  if (outside.device_total >= 0) add_phases(line["device"], ledger, Location::device);
  return line.dump();
}

}  // namespace ebb::telemetry
