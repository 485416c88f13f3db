// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/operand.h"

namespace ebb::numerics::cpu {

void store_rows(const Result& result, std::int64_t n, std::int64_t m0, std::int64_t rows, std::int64_t n0,
                std::int64_t columns, float* block, std::int64_t ld) {
  const Kernels& kern = kernels();
  const auto pointer = [&](void* base, std::int64_t row) {
    const std::int64_t element = (m0 + row) * n + n0;
    return base == nullptr ? nullptr
                           : static_cast<void*>(static_cast<char*>(base) + element * size_of(result.dtype));
  };
  const float* bias = result.bias == nullptr ? nullptr : result.bias + n0;
  const std::int64_t at_once = columns == n && ld == n ? rows : 1;
  for (std::int64_t r = 0; r < rows; r += at_once) {
    if (result.accumulate)
      kern.add(block + r * ld, static_cast<float*>(pointer(result.out, r)), at_once * columns);
    else
      kern.finish(result.dtype, block + r * ld, bias, result.act, at_once, columns, pointer(result.out, r),
                  pointer(result.pre_activation, r));
  }
}

}  // namespace ebb::numerics::cpu
