// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/product.h"

#include <ATen/Parallel.h>

#include <algorithm>

#include "numerics/cpu/operand.h"
#include "numerics/cpu/panels.h"

namespace ebb::numerics::cpu {

std::int64_t product_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel,
                               std::int64_t workspace_bytes) {
  return k > 0 && avx512_panels(Dtype::fp32) != nullptr
             ? packed_workspace(m, n, k, in_parallel, workspace_bytes)
             : blas_workspace(m, n, k, workspace_bytes);
}

void product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k, const Scratch& scratch) {
  if (m <= kFewRows && !a.transposed && b.transposed)
    row_product(a, b, result, m, n, k);
  else if (!packed_product(a, b, result, m, n, k, scratch))
    blas_product(a, b, result, m, n, k, scratch);
}

void row_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                 std::int64_t k) {
  constexpr std::int64_t kColumns = 256, kInner = 512;
  const Kernels& kern = kernels();
  at::parallel_for(0, (n + kColumns - 1) / kColumns, 1, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float sums[kFewRows * kColumns];
    alignas(64) float left[kFewRows * kInner];
    alignas(64) float right[kInner];
    for (std::int64_t n0 = begin * kColumns; n0 < std::min(n, end * kColumns); n0 += kColumns) {
      const std::int64_t columns = std::min(kColumns, n - n0);
      std::fill_n(sums, m * columns, 0.0F);
      for (std::int64_t k0 = 0; k0 < k; k0 += kInner) {
        const std::int64_t inner = std::min(kInner, k - k0);
        for (std::int64_t r = 0; r < m; ++r)
          kern.to_float(a.dtype, element_of(a, r, k0), left + r * kInner, inner);
        for (std::int64_t c = 0; c < columns; ++c) {
          kern.to_float(b.dtype, element_of(b, n0 + c, k0), right, inner);
          for (std::int64_t r = 0; r < m; ++r)
            sums[r * columns + c] += kern.dot(left + r * kInner, right, inner);
        }
      }
      store_rows(result, n, 0, m, n0, columns, sums, columns);
    }
  });
}

void column_sums(const Operand& a, float* sums) {
  constexpr std::int64_t kAtOnce = 512, kLeast = 64;
  std::fill_n(sums, a.columns, 0.0F);
  // Each thread takes a range of columns of all rows.
  at::parallel_for(0, (a.columns + kLeast - 1) / kLeast, 1, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float values[kAtOnce];
    const std::int64_t last = std::min(a.columns, end * kLeast);
    for (std::int64_t r = 0; r < a.rows; ++r)
      for (std::int64_t c = begin * kLeast; c < last; c += kAtOnce) {
        const std::int64_t n = std::min(kAtOnce, last - c);
        const auto* const row = element_of(a, r, c);
        if (a.dtype == Dtype::fp32) {
          kernels().add(reinterpret_cast<const float*>(row), sums + c, n);
          continue;
        }
        kernels().to_float(a.dtype, row, values, n);
        kernels().add(values, sums + c, n);
      }
  });
}

void activation_backward(Dtype dtype, const void* dy, const void* saved, Activation act,
                         std::int64_t elements, void* out) {
  constexpr std::int64_t kAtOnce = 512, kPart = 32 * kAtOnce;
  const Kernels& kern = kernels();
  const std::int64_t size = size_of(dtype);
  at::parallel_for(0, (elements + kPart - 1) / kPart, 1, [&](std::int64_t begin, std::int64_t end) {
    alignas(64) float gradient[kAtOnce];
    alignas(64) float values[kAtOnce];
    for (std::int64_t i = begin * kPart; i < std::min(elements, end * kPart); i += kAtOnce) {
      const std::int64_t n = std::min(kAtOnce, elements - i);
      if (dtype == Dtype::fp32) {
        float* const to = static_cast<float*>(out) + i;
        std::copy_n(static_cast<const float*>(dy) + i, n, to);
        kern.activation_gradient(act, static_cast<const float*>(saved) + i, to, n);
        continue;
      }
      kern.to_float(dtype, static_cast<const char*>(dy) + i * size, gradient, n);
      kern.to_float(dtype, static_cast<const char*>(saved) + i * size, values, n);
      kern.activation_gradient(act, values, gradient, n);
      kern.from_float(dtype, gradient, static_cast<char*>(out) + i * size, n);
    }
  });
}

}  // namespace ebb::numerics::cpu
