// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "numerics/cpu/panels.h"
#include "numerics/cpu/product.h"

namespace ebb::numerics::cpu {

// Packs elements [first, first + count) of the outer and [k0, k0 + steps) of the inner dimension into panels
// of `width`, on the calling thread. The inner dimension is that of the stored rows, or with `across` the
// other one. Panels of fp32 convert other dtypes; panels of bf16 round fp32.
void pack(const Operand& a, const Panels& panels, Dtype element, bool across, std::int64_t first,
          std::int64_t count, std::int64_t k0, std::int64_t steps, std::int64_t width, char* out);

}  // namespace ebb::numerics::cpu
