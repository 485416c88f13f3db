// SPDX-License-Identifier: Apache-2.0
#include "train/memory_check.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>
#include <thread>
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

// The peak of another configuration; nothing if it cannot be trained or planned.
std::optional<std::int64_t> other_peak(const Config& config, const core::SampleSpec& sample, int world_size,
                                       const models::RunnerFactory& make_runner) {
  try {
    return plan_steps(config, sample, world_size, make_runner).peak_total;
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The numbers of micro-batches above the configured one that divide the samples of a rank, ascending.
std::vector<std::int64_t> possible_micro_batches(const Config& config, int world_size) {
  const std::int64_t share = config.data.batch / world_size;
  std::vector<std::int64_t> found;
  for (std::int64_t i = 1; i * i <= share; ++i)
    if (share % i == 0)
      for (const std::int64_t divisor : {i, share / i})
        if (divisor > config.data.micro_batches && divisor <= data::kMostMicroBatches)
          found.push_back(divisor);
  std::ranges::sort(found);
  return found;
}

// The smallest number of micro-batches with which the run fits, by bisection. If there is none, the largest
// one, if it needs less than `needed`.
std::string more_micro_batches(Config config, const core::SampleSpec& sample, int world_size,
                               std::int64_t room_of_a_rank, std::int64_t needed,
                               const models::RunnerFactory& make_runner) {
  const std::vector<std::int64_t> possible = possible_micro_batches(config, world_size);
  if (possible.empty()) return "";
  const auto peak = [&](std::int64_t micro) {
    config.data.micro_batches = micro;
    return other_peak(config, sample, world_size, make_runner).value_or(needed);
  };
  const std::int64_t least = peak(possible.back());
  if (least > room_of_a_rank)
    return least >= needed ? ""
                           : fmt::format("\n  too large: data.micro_batches={} still needs {} on each rank",
                                         possible.back(), format_bytes(least));
  const auto fit = std::ranges::partition_point(
      possible, [&](std::int64_t micro) { return peak(micro) > room_of_a_rank; });
  return fmt::format("\n  fits: data.micro_batches={} needs {} on each rank", *fit, format_bytes(peak(*fit)));
}

std::string half_precision(Config config, const core::SampleSpec& sample, int world_size,
                           std::int64_t room_of_a_rank, const models::RunnerFactory& make_runner) {
  if (config.precision.dtype != numerics::Dtype::fp32) return "";
  config.precision.dtype = numerics::Dtype::bf16;
  const auto needed = other_peak(config, sample, world_size, make_runner);
  if (!needed) return "";
  return fmt::format("\n  {}: precision.dtype=bf16 needs {} on each rank",
                     *needed <= room_of_a_rank ? "fits" : "too large", format_bytes(*needed));
}

// Measures again after a while if free memory is short: an earlier start may still be ending.
memory::HostRoom settled_room(int ranks, std::int64_t needed) {
  memory::HostRoom room = memory::measure_host_room(ranks);
  for (int i = 0; i < 3 && room.bytes < needed && room.limit == memory::kFreeMemory; ++i) {
    std::this_thread::sleep_for(std::chrono::seconds(1));
    room = memory::measure_host_room(ranks);
  }
  return room;
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
    text += fmt::format("\n  fits: at most {} of these ranks on this host, the others on other hosts", fit);
  return text;
}

CheckedPlan check_memory(const Config& config, const Environment& environment, const core::SampleSpec& sample,
                         const models::RunnerFactory& make_runner) {
  CheckedPlan checked;
  if (!environment.device.is_cpu()) return checked;
  const int world_size = environment.world.size(), ranks = environment.world.local_size();
  MemoryPlan plan;
  try {
    plan = plan_steps(config, sample, world_size, make_runner);
  } catch (const CannotPlan& error) {
    checked.note = error.what();
    return checked;
  }
  checked.peak_bytes = plan.peak_total;
  const memory::HostRoom room = settled_room(ranks, plan.peak_total * ranks);
  if (room.bytes < 0) return checked;
  checked.note = memory_shortage(config, sample, plan, world_size, ranks, room, make_runner);
  if (!checked.note.empty() && config.memory.check == memory::MemoryCheck::error)
    throw Error(ExitCode::memory, checked.note + "\n  memory.check=warn starts the run all the same");
  return checked;
}

}  // namespace ebb::train
