// SPDX-License-Identifier: Apache-2.0
#include "train/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "memory/cpu_allocator.h"

namespace ebb::train {

namespace {

constexpr std::int64_t kPeriod = 32;         // steps between two measurements
constexpr std::int64_t kLauncherShare = 50;  // a fiftieth of a group's limit is left to the launcher

}  // namespace

std::optional<RankBudget> rank_budget(const memory::MemoryConfig& config, int ranks,
                                      const memory::ProcessMemory& process, std::int64_t group_limit) {
  if (config.budget)
    return RankBudget{std::max<std::int64_t>(0, *config.budget - process.file),
                      fmt::format("memory.budget is {}", format_bytes(*config.budget)), true};
  if (group_limit < 0 || config.check == memory::MemoryCheck::warn) return std::nullopt;
  return RankBudget{group_limit / kLauncherShare * (kLauncherShare - 1) / ranks,
                    fmt::format("the limit of {} of the control group", format_bytes(group_limit)), false};
}

MemoryBudget::MemoryBudget(std::optional<RankBudget> budget, std::int64_t other, const memory::Ledger& ledger,
                           const memory::BlockCache& cache)
    : budget_(std::move(budget)), least_other_(other), ledger_(ledger), cache_(cache) {
  apply(other);
}

MemoryBudget::~MemoryBudget() {
  if (budget_) memory::set_budget(-1, "");
}

// Buffers whose pages were not written yet make the result too small, so it is at least that of the start.
void MemoryBudget::end_step() {
  if (!budget_ || steps_++ % kPeriod != 0) return;
  apply(std::max(least_other_,
                 memory::measure_process_memory().anonymous - memory::held_bytes(ledger_, &cache_)));
}

void MemoryBudget::apply(std::int64_t other) {
  if (budget_) memory::set_budget(std::max<std::int64_t>(0, budget_->bytes - other), budget_->source);
}

}  // namespace ebb::train
