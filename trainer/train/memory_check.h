// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "comm/world.h"
#include "memory/cuda_table.h"
#include "memory/failure.h"
#include "train/memory_budget.h"
#include "train/memory_need.h"

namespace ebb::train {

struct CheckedPlan {
  std::optional<MemoryNeed> need;    // of a run on CPUs; empty: not planned
  std::optional<MemoryNeed> on_gpu;  // of the ranks of a run on one GPU; empty: not planned
  std::optional<RankBudget> budget;
  std::int64_t other_bytes = 0;  // private bytes of the process before it allocates its model
  std::string note;              // a warning for a person; else empty
};

// The fewest micro-batches with which a run on the CPU fits this host, for data.micro_batches auto; the most
// if none do. Error(usage) if it cannot be planned.
std::int64_t choose_micro_batches(const Config& config, const comm::World& world, at::Device device,
                                  const PlannedRun& run);

// Plans a run on the CPU and compares its need with the memory of this host and with the budget, before the
// run allocates anything. If all ranks of the host together need more, it throws Error(memory), or warns
// with memory.check: warn. The text has the figures, and the changes with which the run fits. With
// data.micro_batches auto it checks the run with the fewest micro-batches that fit. Other errors are those
// that every step of the run would have. On GPUs it finds the budget of the host, and does check_gpu() if
// this process uses its GPU.
CheckedPlan check_memory(const Config& config, const comm::World& world, at::Device device,
                         const PlannedRun& run);

// The GPU of a rank before the first tensor of the run.
struct GpuBefore {
  memory::CudaMemoryStats stats;
  std::string name;             // "NVIDIA L4"
  int ranks = 1;                // of this run on this GPU, with run.share_gpus
  int compute_capability = 90;  // 90 is 9.0; 0: unknown
};

// Plans a run on GPUs and compares its need with the memory of `gpu`: with what is free, and what its ranks
// have already. If tensors alone need more, it throws Error(memory), or notes it with memory.check: warn. If
// only the blocks that LibTorch's allocator keeps need more, it notes that: the allocator frees them when
// memory is short. Does nothing for a run that cannot be planned.
void check_gpu(const Config& config, const PlannedRun& run, const GpuBefore& gpu, CheckedPlan& checked);

// The sentences of check_memory() for the memory `available`. Empty: the run fits.
std::string memory_shortage(const Config& config, const PlannedRun& run, const MemoryNeed& need,
                            const AvailableToRun& available);

// The changes with which a run needs less than it had when it failed with `error`, found by its plan; those
// that fit come first. Empty for a GPU, without a plan, or in an evaluation or samples, which are not planned
// alone. Throws nothing.
std::vector<std::string> changes_after(const memory::OutOfMemory& error, const Config& config,
                                       const PlannedRun& run, const CheckedPlan& checked) noexcept;

}  // namespace ebb::train
