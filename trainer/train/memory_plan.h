// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "memory/ledger.h"
#include "train/config.h"
#include "train/planned_run.h"

namespace ebb::train {

// Bytes of one rank on the device that it trains on, as the ledger counts them, and the memory that they
// occupy. On a CPU these are tensors and buffers, on a GPU tensors alone.
struct MemoryPlan {
  memory::Sums live{};                                 // between two steps
  std::array<memory::Sums, memory::kStages> stages{};  // the maximum of each class within each stage
  memory::Sums peak{};                                 // the maximum of each class within a step
  std::int64_t peak_total = 0;                         // the maximum of all classes together within a step
  std::int64_t initial_total = 0;                      // that maximum while the initial values are made
  std::int64_t evaluation_total = 0;                   // that maximum in an evaluation or generated samples
  // On a CPU: the maximum of the resident pages of all these, with those that the cache keeps. The code and
  // the libraries of the process come in addition. On a GPU: what the caching allocator obtains for them from
  // the driver. The context of the process, NCCL and kernels' libraries come in addition.
  std::int64_t resident = 0;
  // On a GPU: the bytes of buffers and initial values in host memory, at most. On a CPU they are above.
  std::int64_t host = 0;
  memory::PeakPoint run_peak;              // the maximum of all classes together, over all these
  std::vector<memory::PhaseTotal> phases;  // that maximum within each phase of a step
  std::string peak_function;               // of backward, at that moment; empty: none
  // Freed blocks that stay mapped, and what blocks are rounded up by: BlockCache::overhead_bytes() at the end
  // of the last step; on a GPU, what the caching allocator has obtained beside the largest live total.
  std::int64_t kept = 0;
};

// The memory of a step cannot be planned. Either an op has no form for the meta device or for a planned GPU,
// and the run itself may work, or a tensor is larger than an address space.
class CannotPlan : public Error {
 public:
  explicit CannotPlan(const std::string& reason)
      : Error(ExitCode::internal, "the memory of a step cannot be planned: " + reason) {}
};

// Runs the steps of `config` on the meta device, where tensors have a size but no data, and returns their
// account: that of one rank that trains with the current number of threads on a CPU of the planned
// instruction set, or on a GPU. For GPUs only language models can be planned. The account covers the initial
// values, the first three steps, the last step and a save. It also covers an evaluation with its image
// measures, and generated images and texts. An adaptive augmentation is planned as active. A resumed run
// loads into the tensors of the model, and needs less for that than for a step. Of features of images it has
// the weights of the extractor, not what it computes. Throws CannotPlan, or the errors of the run itself.
// Call memory::install() first: it lets the plan count small tensors that ops make on the CPU. Only one plan
// at a time in a process; meanwhile no other thread may allocate tensors.
MemoryPlan plan_memory(const Config& config, const PlannedRun& run);

}  // namespace ebb::train
