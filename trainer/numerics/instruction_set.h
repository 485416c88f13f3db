// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace ebb::numerics {

// The instruction sets that the CPU's ops have kernels for, from the smallest to the largest. A processor
// with one of them has those before it as well.
enum class InstructionSet : std::uint8_t { scalar, avx2, avx512 };

inline constexpr std::array<const char*, 3> kInstructionSetNames{"scalar", "avx2", "avx512"};
[[nodiscard]] constexpr const char* name(InstructionSet set) {
  return kInstructionSetNames[static_cast<std::size_t>(set)];
}
// Nothing if no set has this name.
[[nodiscard]] constexpr std::optional<InstructionSet> find_instruction_set(std::string_view name) {
  for (std::size_t i = 0; i < kInstructionSetNames.size(); ++i)
    if (name == kInstructionSetNames[i]) return static_cast<InstructionSet>(i);
  return std::nullopt;
}

// The largest set of this processor.
[[nodiscard]] InstructionSet best_instruction_set();
// The set whose kernels compute, and for which workspaces are sized: the best one, unless one of the
// following selects another.
[[nodiscard]] InstructionSet instruction_set();

// Selects the kernels of this process. Error(usage) if the processor lacks the set. Call it before the first
// op.
void use_instruction_set(InstructionSet set);

// The processor of a dry run. While it exists, ops on the meta device allocate the workspaces of `set`, which
// this processor may lack. No op may compute meanwhile. One at a time in a process.
class DryInstructionSet {
 public:
  explicit DryInstructionSet(InstructionSet set);
  ~DryInstructionSet();
  DryInstructionSet(const DryInstructionSet&) = delete;
  DryInstructionSet& operator=(const DryInstructionSet&) = delete;

 private:
  InstructionSet before_;
};

}  // namespace ebb::numerics
