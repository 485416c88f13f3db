// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstdint>
#include <string>

#include "base/error.h"
#include "core/sample.h"
#include "memory/ledger.h"
#include "models/runner_factory.h"
#include "train/config.h"

namespace ebb::train {

// Bytes of tensors and buffers of one rank, as the ledger counts them.
struct MemoryPlan {
  memory::Sums live{};                                 // between two steps
  std::array<memory::Sums, memory::kStages> stages{};  // the maximum of each class within each stage
  memory::Sums peak{};                                 // the maximum of each class
  std::int64_t peak_total = 0;                         // the maximum of all classes together
};

// An op of the model has no form for the meta device, so its memory cannot be planned. It can be trained.
class CannotPlan : public Error {
 public:
  explicit CannotPlan(const std::string& reason)
      : Error(ExitCode::internal, "the memory of a step cannot be planned: " + reason) {}
};

// Runs the steps of `config` on the meta device, where tensors have a size but no data, and returns their
// account. It is that of one rank of `ranks` that trains on the CPU of this machine. It excludes loading,
// saving, evaluation and samples. Its steps are the first three and the last one of the run. An adaptive
// augmentation that begins at 0 is not part of it. It throws CannotPlan, or the errors of the run itself. One
// at a time in a process, after memory::install(), which counts the operands on the CPU. Meanwhile no other
// thread may allocate tensors.
MemoryPlan plan_steps(const Config& config, const core::SampleSpec& sample, int ranks,
                      const models::RunnerFactory& make_runner);

}  // namespace ebb::train
