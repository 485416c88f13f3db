// SPDX-License-Identifier: Apache-2.0
#include "train/memory_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "base/units.h"
#include "memory/cgroup.h"
#include "memory/cuda_device.h"
#include "numerics/dry_gpu.h"
#include "train/memory_changes.h"

namespace ebb::train {
namespace {

std::vector<std::string> change_lines(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                                      const AvailableToRun& available) {
  std::vector<std::string> lines;
  for (const MemoryChange& change : find_memory_changes(config, run, need, available))
    lines.push_back(fmt::format("{}: {}", change.fits ? "fits" : "too large", change.text));
  return lines;
}

// Measures again after a while if free memory is short: processes of an earlier run may still be exiting.
memory::AvailableMemory measure_again_if_short(const MemoryNeed& need) {
  memory::AvailableMemory available = memory::measure_available_memory(need.ranks);
  for (int i = 0; i < 3 && available.bytes < need.of_host() && available.limit == memory::kFreeMemory; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    available = memory::measure_available_memory(need.ranks);
  }
  return available;
}

}  // namespace

std::string memory_shortage(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                            const AvailableToRun& available) {
  if (available.bytes < 0 || need.of_host() <= available.bytes) return "";
  const std::string ranks =
      need.ranks == 1 ? "" : fmt::format(" ({} ranks of {})", need.ranks, format_bytes(need.of_rank_alone()));
  std::string text =
      fmt::format("the run needs {} on this host{}, and there are {}: {}\n  largest on each rank: {}",
                  format_bytes(need.of_host()), ranks, format_bytes(available.bytes), available.limit,
                  memory::largest_classes(need.plan.peak, 3));
  for (const std::string& line : change_lines(config, run, need, available)) text += "\n  " + line;
  return text;
}

// Estimates the memory that the run can have. If a limit refused the allocation, that is the planned need
// without the bytes that were missing on each rank. If the system refused it, each rank has what it held.
std::vector<std::string> changes_after(const memory::OutOfMemory& error, const Config& config,
                                       const PlannedRun& run, const CheckedPlan& checked) noexcept try {
  const memory::OutOfMemory::Facts& facts = error.facts();
  if (!checked.need || facts.location == memory::Ledger::Location::device ||
      facts.stage == memory::Stage::evaluate)
    return {};
  const MemoryNeed& need = *checked.need;
  AvailableToRun available = available_to_run({}, checked.budget, need.ranks);
  const std::int64_t had = facts.missing < 0 ? need.ranks * (facts.held + need.process.anonymous)
                                             : need.of_host() - need.ranks * facts.missing;
  available.bytes = std::max<std::int64_t>(0, available.bytes < 0 ? had : std::min(available.bytes, had));
  return change_lines(config, run, need, available);
} catch (const std::exception&) {
  return {};  // the error itself is what a person must see
}

namespace {

// The plan of the run, and the budget of its ranks on this host.
CheckedPlan measure(const Config& config, const comm::World& world, at::Device device,
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
  memory::ProcessMemory process = with_growth(memory::measure_process_memory(), true);
  process.anonymous -= run.written_dataset_bytes;  // they are in the plan
  checked.other_bytes = process.anonymous;
  checked.budget = rank_budget(config.memory, ranks, process, memory::Cgroup().read().limit);
  if (plan) checked.need.emplace(MemoryNeed{*plan, process, ranks});
  return checked;
}

// Before the first tensor of the run; empty if this process uses no GPU.
std::optional<GpuBefore> measure_gpu(const comm::World& world, at::Device device) {
  const std::optional<memory::CudaMemoryStats> stats = memory::stats_of_used_device();
  if (!stats || !device.is_cuda()) return std::nullopt;
  // As choose_device() shares them.
  const int devices = memory::device_count(), ranks = world.local_size();
  const int sharing = devices < ranks ? (ranks - device.index() + devices - 1) / devices : 1;
  return GpuBefore{*stats, memory::device_name(device.index()), sharing, numerics::gpu_capability()};
}

// What the ranks can have. Their contexts and NCCL are in use already, so they count as free.
AvailableToRun available_on(const GpuBefore& gpu, const memory::ProcessMemory& of_each) {
  const std::int64_t free = gpu.stats.device_total - gpu.stats.device_used;
  const std::int64_t own = gpu.ranks * (of_each.anonymous + gpu.stats.reserved);
  return {std::min(gpu.stats.device_total, free + own), "free memory of " + gpu.name, true};
}

}  // namespace

void check_gpu(const Config& config, const PlannedRun& run, const GpuBefore& gpu, CheckedPlan& checked) {
  if (gpu.compute_capability <= 0) return;
  PlannedRun on_gpu = run;
  on_gpu.device.gpu = true;
  on_gpu.device.compute_capability = gpu.compute_capability;
  try {
    checked.on_gpu.emplace(MemoryNeed{plan_memory(config, on_gpu), assumed_on_gpu(run.ranks), gpu.ranks});
  } catch (const CannotPlan&) {
    return;  // models of images
  }
  const MemoryNeed& need = *checked.on_gpu;
  const AvailableToRun available = available_on(gpu, need.process);
  if (need.of_host() <= available.bytes) return;
  const memory::Sums& live = need.plan.run_peak.live;
  const std::int64_t least =
      need.ranks * (std::accumulate(live.begin(), live.end(), std::int64_t{0}) + need.process.anonymous);
  const bool refused = least > available.bytes;
  const std::string ranks = need.ranks == 1 ? "" : fmt::format(" by the {} ranks on it", need.ranks);
  checked.note = refused
                     ? fmt::format("the run needs at least {} of its GPU{}, and there are {}: {}",
                                   format_bytes(least), ranks, format_bytes(available.bytes), available.limit)
                     : fmt::format(
                           "the run may need {} of its GPU{}, and there are {}: {}; {} are enough if "
                           "LibTorch's allocator frees the blocks that it keeps",
                           format_bytes(need.of_host()), ranks, format_bytes(available.bytes),
                           available.limit, format_bytes(least));
  checked.note += "\n  largest on each rank: " + memory::largest_classes(need.plan.run_peak.live, 3);
  for (const std::string& line : change_lines(config, on_gpu, need, available)) checked.note += "\n  " + line;
  if (refused && config.memory.check == memory::MemoryCheck::error)
    throw Error(ExitCode::memory, checked.note + "\n  memory.check=warn starts the run all the same");
}

std::int64_t choose_micro_batches(const Config& config, const comm::World& world, at::Device device,
                                  const PlannedRun& run) {
  const CheckedPlan whole = measure(config, world, device, run);
  if (!whole.need)
    throw Error(ExitCode::usage,
                fmt::format("data.micro_batches is auto, but {}: give a number",
                            device.is_cuda() ? "a run on GPUs does not choose it" : whole.note));
  const AvailableToRun available =
      available_to_run(measure_again_if_short(*whole.need), whole.budget, whole.need->ranks);
  return automatic_micro_batches(config, run, *whole.need, available).count;
}

CheckedPlan check_memory(const Config& given, const comm::World& world, at::Device device,
                         const PlannedRun& run) {
  Config config = given;
  if (!config.data.micro_batches)
    config.data.micro_batches = choose_micro_batches(config, world, device, run);
  CheckedPlan checked = measure(config, world, device, run);
  if (const auto gpu = measure_gpu(world, device)) check_gpu(config, run, *gpu, checked);
  if (!checked.need) return checked;
  const MemoryNeed& need = *checked.need;
  const AvailableToRun available = available_to_run(measure_again_if_short(need), checked.budget, need.ranks);
  checked.note = memory_shortage(config, run, need, available);
  if (!checked.note.empty() && config.memory.check == memory::MemoryCheck::error)
    throw Error(ExitCode::memory, checked.note + "\n  memory.check=warn starts the run all the same");
  return checked;
}

}  // namespace ebb::train
