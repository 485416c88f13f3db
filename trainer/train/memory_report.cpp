// SPDX-License-Identifier: Apache-2.0
#include "train/memory_report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <ctime>
#include <fstream>
#include <thread>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/file.h"
#include "base/units.h"
#include "memory/snapshot.h"
#include "memory/system_memory.h"
#include "telemetry/memory_log.h"

namespace ebb::train {
namespace {

using Location = memory::Ledger::Location;

constexpr std::size_t kOwners = 10;

std::string bytes_or_none(std::int64_t bytes) {
  return bytes < 0 ? "unknown" : format_bytes(bytes);
}

// Live bytes, the peak of the step, and of the plan if there is one.
std::string class_table(const memory::Ledger& ledger, Location location, const MemoryPlan* plan) {
  const memory::Sums live = ledger.live(location), peak = telemetry::step_peak(ledger, location);
  std::string text = fmt::format("{:<14}{:>13}{:>15}{}\n", "", "live now", "peak of step",
                                 plan != nullptr ? fmt::format("{:>15}", "planned") : "");
  const auto line = [&](std::string_view name, std::int64_t now, std::int64_t most, std::int64_t planned) {
    text += fmt::format("{:<14}{:>13}{:>15}{}\n", name, format_bytes(now), format_bytes(most),
                        plan != nullptr ? fmt::format("{:>15}", format_bytes(planned)) : "");
  };
  for (std::size_t c = 0; c < live.size(); ++c)
    if (live[c] != 0 || peak[c] != 0)
      line(memory::kClassNames[c], live[c], peak[c], plan != nullptr ? plan->peak[c] : 0);
  line("all together", ledger.live_total(location), ledger.peak_total(location),
       plan != nullptr ? plan->peak_total : 0);
  return text;
}

std::string stage_table(const memory::Ledger& ledger, Location location) {
  std::string text;
  for (int s = 0; s < memory::kStages; ++s) {
    const memory::Sums peak = ledger.peak(location, static_cast<memory::Stage>(s));
    std::string classes;
    for (std::size_t c = 0; c < peak.size(); ++c)
      if (peak[c] > 0)
        classes += fmt::format("{}{} {}", classes.empty() ? "" : ", ", memory::kClassNames[c],
                               format_bytes(peak[c]));
    if (!classes.empty()) text += fmt::format("{:<14}{}\n", memory::kStageNames[s], classes);
  }
  return text;
}

std::string owner_table(const memory::Ledger& ledger, Location location) {
  const std::vector<memory::OwnerBytes> owners = ledger.owners(location);
  std::string text;
  for (std::size_t i = 0; i < std::min(kOwners, owners.size()); ++i)
    text +=
        fmt::format("{:<14}{:>13}  in {:>5} {:<7} {}\n", name(owners[i].cls), format_bytes(owners[i].bytes),
                    owners[i].blocks, owners[i].blocks == 1 ? "block" : "blocks", owners[i].owner);
  return text;
}

std::string free_memory(const memory::BlockCache& cache) {
  const memory::FreeMemory free = memory::measure_free_memory(&cache);
  return fmt::format("{:<14}{:>13}  in {} blocks, the largest of {}\n{:<14}{:>13}\n", "cache",
                     format_bytes(free.kept), free.blocks, format_bytes(free.largest), "malloc",
                     format_bytes(free.malloc));
}

std::string process_memory(const memory::SystemMemory& system) {
  std::string text =
      fmt::format("{:<14}{:>13}  at most {}\n{:<14}{:>13}\n{:<14}{:>13}  of {}\n", "resident",
                  bytes_or_none(system.resident), bytes_or_none(system.peak_resident), "outside",
                  system.resident < 0 ? "unknown" : format_bytes(system.outside_host), "control group",
                  bytes_or_none(system.cgroup_used),
                  system.cgroup_limit < 0 ? "no limit" : format_bytes(system.cgroup_limit));
  if (system.device_total >= 0)
    text += fmt::format("{:<14}{:>13}  of {}\n{:<14}{:>13}  largest free block {}\n", "device",
                        format_bytes(system.device_used), format_bytes(system.device_total), "reserved",
                        format_bytes(system.device_reserved), format_bytes(system.largest_free_block));
  return text;
}

}  // namespace

MemoryReporter::MemoryReporter(const Environment& environment, ReportRequest& request,
                               const std::filesystem::path& run_folder, const std::optional<MemoryNeed>& need)
    : environment_(environment), request_(request), need_(need) {
  const std::string rank = fmt::format("rank-{:05}", environment.world.rank());
  report_path_ = run_folder / "memory" / (rank + ".report.txt");
  snapshot_path_ = run_folder / "memory" / (rank + ".snapshot.pickle");
  request_.on_request_now([this] { report_for_another_rank(); });
  memory::set_failure_reporter(this);
}

MemoryReporter::~MemoryReporter() {
  request_.on_request_now(nullptr);
  memory::set_failure_reporter(nullptr);
}

std::string MemoryReporter::report(const std::string& what) {
  std::string lines;
  if (need_) {
    const std::int64_t live = environment_.ledger.live_total(Location::host);
    lines = fmt::format("\n  planned: at most {} live in a step, {} now",
                        format_bytes(need_->plan.peak_total), format_bytes(live));
  }
  const std::lock_guard lock(mutex_);
  if (!std::exchange(reported_, true)) {
    request_reports_of_peers();
    write_text(what);
    written_ = true;
    try {
      write_snapshot();
    } catch (const std::exception& error) {
      lines += fmt::format("\n  no snapshot: {}", error.what());
    }
  }
  return lines + (written_ ? fmt::format("\n  report: {}", report_path_.string()) : "");
}

void MemoryReporter::request_reports_of_peers() const noexcept try {
  for (const pid_t peer : environment_.world.local_peers()) request_report_now(peer);
} catch (const std::exception&) {
  // This rank's own report matters more.
}

void MemoryReporter::wait_for_peers() const {
  if (environment_.world.local_size() > 1) std::this_thread::sleep_for(std::chrono::seconds(2));
}

void MemoryReporter::report_for_another_rank() noexcept try {
  const std::lock_guard lock(mutex_);
  if (reported_) return;  // this rank has failed as well
  write_text("The memory of another rank of this host failed; the report of that rank has the reason.");
  write_snapshot();
} catch (const std::exception&) {
  // The failed rank reports its error.
}

void MemoryReporter::write(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  write_text(reason);
  write_snapshot();
}

void MemoryReporter::append(const std::string& lines) {
  const std::lock_guard lock(mutex_);
  if (written_ && !lines.empty())
    std::ofstream(report_path_, std::ios::app) << "\nChanges of the configuration" << lines << '\n';
}

void MemoryReporter::write_text(const std::string& reason) const {
  make_folders(report_path_.parent_path());
  write_file_atomically(report_path_, text(reason));
}

void MemoryReporter::write_snapshot() const {
  std::vector<Location> locations{Location::host};
  if (environment_.device.is_cuda()) locations.insert(locations.begin(), Location::device);
  memory::write_snapshot(environment_.ledger, &environment_.cache, locations, snapshot_path_);
}

std::string MemoryReporter::text(const std::string& reason) const {
  const memory::Ledger& ledger = environment_.ledger;
  const comm::World& world = environment_.world;
  const std::int64_t step = step_.load();
  std::string text = fmt::format(
      "Memory of rank {} of {} on {} at {:%Y-%m-%d %H:%M:%S} UTC, {}, stage {}\n{}\n", world.rank(),
      world.size(), world.host(), fmt::gmtime(std::time(nullptr)),
      step < 0 ? "before the first step" : fmt::format("in step {}", step), name(ledger.stage()), reason);
  const auto section = [&](const std::string& title, const std::string& body) {
    if (!body.empty()) text += fmt::format("\n{}\n{}", title, body);
  };
  const bool on_gpu = environment_.device.is_cuda();
  for (const Location location : {Location::device, Location::host}) {
    if (location == Location::device && !on_gpu) continue;
    const std::string where = location == Location::device ? "on the device" : "on the host";
    section("Bytes by class " + where,
            class_table(ledger, location, need_ && !on_gpu ? &need_->plan : nullptr));
    section("Peaks of the step by stage " + where, stage_table(ledger, location));
    section(fmt::format("The {} largest owners {}", kOwners, where), owner_table(ledger, location));
  }
  section("Free memory on the host", free_memory(environment_.cache));
  section("The process",
          process_memory(memory::measure_system_memory(ledger, &environment_.cache, environment_.device)));
  section("Files", fmt::format("{}  every block, for https://pytorch.org/memory_viz\n",
                               snapshot_path_.filename().string()));
  return text;
}

}  // namespace ebb::train
