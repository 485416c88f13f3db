// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "memory/available_memory.h"
#include "memory/block_cache.h"
#include "memory/config.h"
#include "memory/ledger.h"

namespace ebb::train {

// The limit of a rank's private memory: its pages without those of files, such as libraries.
struct RankBudget {
  std::int64_t bytes;
  std::string source;    // for a person: "memory.budget is 6.0 GiB"
  bool is_of_each_rank;  // false: fewer ranks on the host would each have more
};
// memory.budget without the pages of files, or the rank's share of `group_limit` (-1: none), of which 2 % are
// left to the launcher. Empty: none. `ranks`: on this host.
std::optional<RankBudget> rank_budget(const memory::MemoryConfig& config, int ranks,
                                      const memory::ProcessMemory& process, std::int64_t group_limit);

// Holds the budget while it exists: the allocator gets what other private memory of the process leaves of it.
// That memory (MPI, threads, malloc) is measured again as the run goes on.
class MemoryBudget {
 public:
  // `budget`: empty: no effect. `other`: private bytes of the process before it allocates its model. The
  // others must outlive the object.
  MemoryBudget(std::optional<RankBudget> budget, std::int64_t other, const memory::Ledger& ledger,
               const memory::BlockCache& cache);
  ~MemoryBudget();
  MemoryBudget(const MemoryBudget&) = delete;
  MemoryBudget& operator=(const MemoryBudget&) = delete;
  void end_step();

 private:
  void apply(std::int64_t other);
  std::optional<RankBudget> budget_;
  const std::int64_t least_other_;
  const memory::Ledger& ledger_;
  const memory::BlockCache& cache_;
  std::int64_t steps_ = 0;
};

}  // namespace ebb::train
