// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/workspace.h"

#include <ATen/ATen.h>

#include "memory/ledger.h"

namespace ebb::numerics::cpu {

at::Tensor workspace(std::int64_t floats, const at::Tensor& like) {
  const memory::Tag tag(memory::Class::workspace, "numerics.blocks");
  return at::empty({floats}, like.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous));
}

}  // namespace ebb::numerics::cpu
