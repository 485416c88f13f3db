#pragma once
#include "numerics/cpu/panels.h"
#include "numerics/cpu/product.h"

namespace ebb::numerics::cpu {

// Elements [first, first + count) of the outer and [k0, k0 + steps) of the inner dimension, as panels of
// `width`. The inner dimension lies along the rows as stored, or (`across`) across them. Of fp32 elements, to
// which other dtypes are converted on the way, or of bf16, to which fp32 is rounded. By the calling thread.
void pack(const Operand& a, const Panels& panels, Dtype element, bool across, std::int64_t first,
          std::int64_t count, std::int64_t k0, std::int64_t steps, std::int64_t width, char* out);

}  // namespace ebb::numerics::cpu
