// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "memory/block_cache.h"
#include "memory/config.h"
#include "memory/host_room.h"
#include "memory/ledger.h"

namespace ebb::train {

// The limit of the resident memory of a rank: memory.budget, or its share of the control group's limit and
// the pages of files, which the kernel can drop.
struct RankBudget {
  std::int64_t bytes;
  std::string source;  // for a person: "memory.budget is 6.0 GiB"
};
// Empty: none. `ranks`: on this host. `group_limit`: -1: none.
std::optional<RankBudget> rank_budget(const memory::MemoryConfig& config, int ranks,
                                      const memory::ProcessMemory& process, std::int64_t group_limit);

// Holds the budget while it exists: the allocator gets what other memory of the process leaves of it. Other
// memory (libraries, MPI, malloc) is measured again as the run goes on.
class MemoryBudget {
 public:
  // `budget`: empty: no effect. `process`: without its tensors. The others must outlive the object.
  MemoryBudget(std::optional<RankBudget> budget, const memory::ProcessMemory& process,
               const memory::Ledger& ledger, const memory::BlockCache& cache);
  ~MemoryBudget();
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;
  void end_step();

 private:
  void apply(std::int64_t other);
  std::optional<RankBudget> budget_;
  const memory::Ledger& ledger_;
  const memory::BlockCache& cache_;
  std::int64_t other_ = 0, steps_ = 0;
};

}  // namespace ebb::train
