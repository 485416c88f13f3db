// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "memory/available_memory.h"
#include "train/memory_budget.h"
#include "train/memory_plan.h"

namespace ebb::train {

// The memory of a process that `now` has before its first step, with what MPI's start and the steps add to
// it: communicators, threads, pools of malloc and code. Measured on Debian 12 and 13 with Open MPI 4.1
// and 5.0.
inline memory::ProcessMemory with_growth(memory::ProcessMemory now, bool mpi_has_started) {
  constexpr std::int64_t kMiB = 1 << 20, kMpi = 8 * kMiB, kSteps = 5 * kMiB;
  now.anonymous += kSteps + (mpi_has_started ? 0 : kMpi);
  return now;
}

// The memory of a process on its GPU outside LibTorch's allocator: the context, the code of kernels, and NCCL
// if there are several ranks. Assumed: no run has measured it yet.
inline memory::ProcessMemory assumed_on_gpu(int ranks) {
  constexpr std::int64_t kMiB = 1 << 20, kContext = 500 * kMiB, kNccl = 400 * kMiB;
  return {.anonymous = kContext + (ranks > 1 ? kNccl : 0), .file = 0};
}

// The memory that the ranks of a run need on a host of CPUs, or one of them on its GPU, in bytes.
struct MemoryNeed {
  MemoryPlan plan;                // of each rank
  memory::ProcessMemory process;  // of each rank without its tensors: with_growth(), or assumed_on_gpu()
  int ranks = 1;                  // on this host; 1 on a GPU

  // The largest resident set of a rank.
  [[nodiscard]] std::int64_t of_rank() const { return plan.resident + process.anonymous + process.file; }
  // Without the pages of files, which the ranks share and the kernel can drop: of a rank, and of all on the
  // host.
  [[nodiscard]] std::int64_t of_rank_alone() const { return plan.resident + process.anonymous; }
  [[nodiscard]] std::int64_t of_host() const { return ranks * of_rank_alone(); }
};

// The memory that all ranks of a host together can have.
struct AvailableToRun {
  std::int64_t bytes = -1;       // -1: unknown
  std::string limit;             // for a person
  bool is_of_each_rank = false;  // fewer ranks on the host would not have more
};
// The smaller of what the host has and the budgets of its ranks.
AvailableToRun available_to_run(const memory::AvailableMemory& host, const std::optional<RankBudget>& budget,
                                int ranks);

}  // namespace ebb::train
