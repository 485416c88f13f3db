#include "numerics/cpu/workspace.h"

#include "base/error.h"
#include "memory/ledger.h"

namespace ebb::numerics::cpu {

std::int64_t& workspace_bytes() {
  static std::int64_t bytes = std::int64_t{4} << 20;
  return bytes;
}

at::Tensor workspace(std::int64_t floats, const at::Tensor& like) {
  const memory::Tag tag(memory::Class::workspace, "numerics.blocks");
  return at::empty({floats}, like.options().dtype(at::kFloat).memory_format(at::MemoryFormat::Contiguous));
}

Kind kind_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return Kind::f32;
    case at::kHalf:
      return Kind::f16;
    case at::kBFloat16:
      return Kind::bf16;
    default:
      throw Error(ExitCode::internal, std::string("numerics: a tensor of type ") +
                                          c10::toString(tensor.scalar_type()) +
                                          " was given where fp16, bf16 or fp32 is needed");
  }
}

}  // namespace ebb::numerics::cpu
