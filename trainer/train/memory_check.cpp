// SPDX-License-Identifier: Apache-2.0
#include "train/memory_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <numeric>
#include <thread>
#include <vector>

#include "base/units.h"
#include "memory/cgroup.h"
#include "train/memory_changes.h"

namespace ebb::train {
namespace {

// "activations 9.6 GiB, optimizer 14.5 GiB": the three largest.
std::string largest_classes(const memory::Sums& peak) {
  std::vector<std::size_t> order(peak.size());
  std::iota(order.begin(), order.end(), 0);
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t c) { return peak[c]; });
  std::string text;
  for (std::size_t i = 0; i < 3; ++i)
    text += fmt::format("{}{} {}", i == 0 ? "" : ", ", memory::kClassNames[order[i]],
                        format_bytes(peak[order[i]]));
  return text;
}

std::string changes_text(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                         const RoomOfRun& room) {
  std::string text;
  for (const MemoryChange& change : find_memory_changes(config, run, need, room))
    text += fmt::format("\n  {}: {}", change.fits ? "fits" : "too large", change.text);
  return text;
}

// Measures again after a while if free memory is short: an earlier start may still be ending.
memory::HostRoom settled_room(const MemoryNeed& need) {
  memory::HostRoom room = memory::measure_host_room(need.ranks);
  for (int i = 0; i < 3 && room.bytes < need.of_host() && room.limit == memory::kFreeMemory; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    room = memory::measure_host_room(need.ranks);
  }
  return room;
}

}  // namespace

std::string memory_shortage(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                            const RoomOfRun& room) {
  if (room.bytes < 0 || need.of_host() <= room.bytes) return "";
  const std::string ranks =
      need.ranks == 1 ? "" : fmt::format(" ({} ranks of {})", need.ranks, format_bytes(need.of_rank_alone()));
  std::string text = fmt::format("the run needs {} on this host{}, and there are {}: {}\n  largest: {}",
                                 format_bytes(need.of_host()), ranks, format_bytes(room.bytes), room.limit,
                                 largest_classes(need.plan.peak));
  return text + changes_text(config, run, need, room);
}

// The plan was too small by what was missing, or the budget is smaller than the plan.
std::string changes_after(const memory::OutOfMemory& error, const Config& config, const PlannedRun& run,
                          const CheckedPlan& checked) {
  if (!checked.need || error.location() == memory::Ledger::Location::device) return "";
  const MemoryNeed& need = *checked.need;
  RoomOfRun room = room_of_run({}, checked.budget, need.ranks);
  const std::int64_t planned = need.of_host() - need.ranks * error.missing();
  room.bytes = std::max<std::int64_t>(0, room.bytes < 0 ? planned : std::min(room.bytes, planned));
  return changes_text(config, run, need, room);
}

CheckedPlan check_memory(const Config& config, const comm::World& world, at::Device device,
                         const PlannedRun& run) {
  CheckedPlan checked;
  std::optional<MemoryPlan> plan;
  try {
    if (device.is_cpu()) plan = plan_memory(config, run);
  } catch (const CannotPlan& error) {
    checked.note = error.what();
  }
  const int ranks = world.local_size();
  // After the plan, which has loaded the code of the steps.
  const memory::ProcessMemory process = with_growth(memory::measure_process_memory(), true);
  checked.other_bytes = process.anonymous;
  checked.budget = rank_budget(config.memory, ranks, process, memory::Cgroup().read().limit);
  if (!plan) return checked;
  const MemoryNeed& need = checked.need.emplace(MemoryNeed{*plan, process, ranks});
  const RoomOfRun room = room_of_run(settled_room(need), checked.budget, ranks);
  checked.note = memory_shortage(config, run, need, room);
  if (!checked.note.empty() && config.memory.check == memory::MemoryCheck::error)
    throw Error(ExitCode::memory, checked.note + "\n  memory.check=warn starts the run all the same");
  return checked;
}

}  // namespace ebb::train
