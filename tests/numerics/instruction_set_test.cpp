// SPDX-License-Identifier: Apache-2.0
#include "numerics/instruction_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "numerics/cpu/panels.h"
#include "numerics/cpu/product.h"
#include "numerics/cpu/tiles.h"

namespace ebb::numerics {
namespace {

constexpr auto kAll = {InstructionSet::scalar, InstructionSet::avx2, InstructionSet::avx512};

TEST(InstructionSets, HaveNamesThatFindThem) {
  for (const InstructionSet set : kAll) EXPECT_EQ(find_instruction_set(name(set)), set);
  for (const char* other : {"amx", "AVX2", "auto", ""})
    EXPECT_EQ(find_instruction_set(other), std::nullopt) << other;
}

TEST(InstructionSets, TheSelectedOneHasItsKernels) {
  EXPECT_EQ(instruction_set(), best_instruction_set());
  for (const InstructionSet set : kAll) {
    if (set > best_instruction_set()) {
      EXPECT_THROW(use_instruction_set(set), Error) << name(set);
      continue;
    }
    use_instruction_set(set);
    EXPECT_STREQ(cpu::kernels().name, name(set));
    EXPECT_EQ(cpu::avx512_panels(Dtype::fp32) != nullptr, set == InstructionSet::avx512);
    EXPECT_EQ(cpu::avx512_tiles() != nullptr, set == InstructionSet::avx512);
  }
  use_instruction_set(best_instruction_set());
}

// On any processor.
TEST(InstructionSets, ADryRunHasTheWorkspacesOfItsOwn) {
  const auto floats = [] { return cpu::product_workspace(300, 500, 700); };
  const std::int64_t here = floats();
  {
    const DryInstructionSet packed(InstructionSet::avx512);
    EXPECT_EQ(floats(), cpu::packed_workspace(300, 500, 700));
  }
  {
    const DryInstructionSet blas(InstructionSet::avx2);
    EXPECT_EQ(floats(), cpu::blas_workspace(300, 500, 700));
    EXPECT_NE(floats(), cpu::packed_workspace(300, 500, 700));
  }
  EXPECT_EQ(instruction_set(), best_instruction_set());
  EXPECT_EQ(floats(), here);
}

}  // namespace
}  // namespace ebb::numerics
