// SPDX-License-Identifier: Apache-2.0
#include "train/memory_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "base/units.h"

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

// The smallest number of micro-batches above the configured one with which the run fits. If there is none,
// the number that needs the least memory, if that is less than `needed`.
std::string more_micro_batches(Config config, const core::SampleSpec& sample, int world_size,
                               std::int64_t room_of_a_rank, std::int64_t needed,
                               const models::RunnerFactory& make_runner) {
  const std::int64_t share = config.data.batch / world_size;
  std::int64_t best = 0;
  for (std::int64_t micro = config.data.micro_batches + 1; micro <= share; ++micro) {
    if (share % micro != 0) continue;
    config.data.micro_batches = micro;
    const std::int64_t peak = plan_steps(config, sample, world_size, make_runner).peak_total;
    if (peak <= room_of_a_rank)
      return fmt::format("\n  fits: data.micro_batches={} needs {} on each rank", micro, format_bytes(peak));
    if (peak >= needed) continue;
    needed = peak;
    best = micro;
  }
  if (best == 0) return "";
  return fmt::format("\n  too large: data.micro_batches={} still needs {} on each rank", best,
                     format_bytes(needed));
}

std::string half_precision(Config config, const core::SampleSpec& sample, int world_size,
                           std::int64_t room_of_a_rank, const models::RunnerFactory& make_runner) {
  if (config.precision.dtype != numerics::Dtype::fp32) return "";
  config.precision.dtype = numerics::Dtype::bf16;
  const std::int64_t needed = plan_steps(config, sample, world_size, make_runner).peak_total;
  return fmt::format("\n  {}: precision.dtype=bf16 needs {} on each rank",
                     needed <= room_of_a_rank ? "fits" : "too large", format_bytes(needed));
}

}  // namespace

std::string memory_shortage(const Config& config, const core::SampleSpec& sample, const MemoryPlan& plan,
                            int world_size, int ranks, const memory::HostRoom& room,
                            const models::RunnerFactory& make_runner) {
  const std::int64_t needed = plan.peak_total;
  if (needed * ranks <= room.bytes) return "";
  const std::int64_t room_of_a_rank = room.bytes / ranks;
  std::string text = fmt::format(
      "a step needs {} on each rank, {} on this host with {} of them, and {} are left ({})\n  largest: {}",
      format_bytes(needed), format_bytes(needed * ranks), ranks, format_bytes(room.bytes), room.limit,
      largest_classes(plan.peak));
  text += more_micro_batches(config, sample, world_size, room_of_a_rank, needed, make_runner);
  text += half_precision(config, sample, world_size, room_of_a_rank, make_runner);
  // Fewer processes leave more room.
  if (const std::int64_t fit = (room.bytes + ranks * room.own) / (needed + room.own); ranks > 1 && fit > 0)
    text += fmt::format("\n  fits: at most {} of these ranks on a host", fit);
  return text;
}

CheckedPlan check_memory(const Config& config, const Environment& environment, const core::SampleSpec& sample,
                         const models::RunnerFactory& make_runner) {
  CheckedPlan checked;
  if (!environment.device.is_cpu()) return checked;
  const int world_size = environment.world.size(), ranks = environment.world.local_size();
  try {
    const MemoryPlan plan = plan_steps(config, sample, world_size, make_runner);
    checked.peak_bytes = plan.peak_total;
    const memory::HostRoom room = memory::measure_host_room(ranks);
    if (room.bytes < 0) return checked;
    const std::string shortage = memory_shortage(config, sample, plan, world_size, ranks, room, make_runner);
    if (shortage.empty()) return checked;
    if (config.memory.check == memory::MemoryCheck::error)
      throw Error(ExitCode::memory, shortage + "\n  memory.check=warn starts the run all the same");
    checked.note = shortage;
  } catch (const CannotPlan& error) {
    checked.note = error.what();
  }
  return checked;
}

}  // namespace ebb::train
