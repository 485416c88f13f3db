// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

namespace ebb::numerics::cpu {

// Row-major C [m, n] = A op B (+ C if `accumulate`), fp32, by BLAS; A is [m, k], or stored [k, m] if
// transposed_a; B is [k, n], or stored [n, k] if transposed_b.
void gemm(const float* a, std::int64_t lda, bool transposed_a, const float* b, std::int64_t ldb,
          bool transposed_b, float* c, std::int64_t ldc, std::int64_t m, std::int64_t n, std::int64_t k,
          bool accumulate);

}  // namespace ebb::numerics::cpu
