// SPDX-License-Identifier: Apache-2.0
#include "numerics/instruction_set.h"

#include <fmt/format.h>

#include <array>
#include <atomic>

#include "base/error.h"
#include "numerics/cpu/kernels.h"

namespace ebb::numerics {
namespace {

InstructionSet find_best() {
  return cpu::avx512_kernels() != nullptr ? InstructionSet::avx512
         : cpu::avx2_kernels() != nullptr ? InstructionSet::avx2
                                          : InstructionSet::scalar;
}

std::atomic<InstructionSet>& selected() {
  static std::atomic<InstructionSet> set{find_best()};
  return set;
}

}  // namespace

InstructionSet best_instruction_set() {
  static const InstructionSet best = find_best();
  return best;
}

InstructionSet instruction_set() {
  return selected().load(std::memory_order_relaxed);
}

void use_instruction_set(InstructionSet set) {
  if (set > best_instruction_set())
    throw Error(ExitCode::usage,
                fmt::format("run.isa={0}, but this processor has no {0}: set run.isa to {1}, or to auto",
                            name(set), name(best_instruction_set())));
  selected().store(set);
}

DryInstructionSet::DryInstructionSet(InstructionSet set) : before_(selected().exchange(set)) {}

DryInstructionSet::~DryInstructionSet() {
  selected().store(before_);
}

namespace cpu {

// A set that the processor lacks, as a dry run may select, has the kernels of the one before it.
const Kernels& kernels() {
  static const std::array<const Kernels*, kInstructionSetNames.size()> sets = [] {
    const Kernels* const avx2 = avx2_kernels() != nullptr ? avx2_kernels() : &scalar_kernels();
    return std::array{&scalar_kernels(), avx2, avx512_kernels() != nullptr ? avx512_kernels() : avx2};
  }();
  return *sets[static_cast<std::size_t>(instruction_set())];
}

}  // namespace cpu
}  // namespace ebb::numerics
