// SPDX-License-Identifier: Apache-2.0
#include "train/memory_budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/units.h"
#include "memory/cpu_allocator.h"

namespace ebb::train {

namespace {

constexpr std::int64_t kPeriod = 32;  // steps between two measurements

}  // namespace

std::optional<RankBudget> rank_budget(const memory::MemoryConfig& config, int ranks,
                                      const memory::ProcessMemory& process, std::int64_t group_limit) {
  if (config.budget)
    return RankBudget{*config.budget, fmt::format("memory.budget is {}", format_bytes(*config.budget))};
  if (group_limit < 0 || config.check == memory::MemoryCheck::warn) return std::nullopt;
  return RankBudget{group_limit / ranks + process.file,
                    fmt::format("the control group has {} for {} rank{} of this host",
                                format_bytes(group_limit), ranks, ranks == 1 ? "" : "s")};
}

MemoryBudget::MemoryBudget(std::optional<RankBudget> budget, const memory::ProcessMemory& process,
                           const memory::Ledger& ledger, const memory::BlockCache& cache)
    : budget_(std::move(budget)), ledger_(ledger), cache_(cache) {
  apply(process.anonymous + process.file);
}

MemoryBudget::~MemoryBudget() {
  if (budget_) memory::set_budget(-1, "");
}

// Pages that were not written yet make the rest too small, so the largest one counts.
void MemoryBudget::end_step() {
  if (!budget_ || steps_++ % kPeriod != 0) return;
  const memory::ProcessMemory now = memory::measure_process_memory();
  apply(now.anonymous + now.file - ledger_.live_total(memory::Ledger::Location::host) - cache_.kept_bytes());
}

void MemoryBudget::apply(std::int64_t other) {
  if (!budget_ || other <= other_) return;
  other_ = other;
  memory::set_budget(std::max<std::int64_t>(0, budget_->bytes - other_),
                     fmt::format("{}, of which {} are taken by code, libraries and MPI", budget_->source,
                                 format_bytes(other_)));
}

}  // namespace ebb::train
