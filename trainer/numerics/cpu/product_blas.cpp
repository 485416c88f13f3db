// SPDX-License-Identifier: Apache-2.0
#include <ATen/Parallel.h>

#include <algorithm>

#include "numerics/cpu/gemm.h"
#include "numerics/cpu/operand.h"

namespace ebb::numerics::cpu {
namespace {

struct Blocks {
  std::int64_t m, n, k;
};

Blocks plan(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t floats) {
  floats = std::max<std::int64_t>(floats, 64);
  Blocks b{std::min<std::int64_t>(m, 256), std::min<std::int64_t>(n, 512), k};
  while (b.m * b.n > floats / 4 && (b.m > 1 || b.n > 1))
    (b.m > b.n ? b.m : b.n) = (std::max(b.m, b.n) + 1) / 2;
  b.k = std::clamp<std::int64_t>((floats - b.m * b.n) / std::max<std::int64_t>(b.m + b.n, 1), 1,
                                 std::max<std::int64_t>(k, 1));
  return b;
}

struct Block {
  const float* data;
  std::int64_t ld;
};

// The part [r0, r0 + rows) x [c0, c0 + columns) as floats; fp32 is used in place.
Block load_block(const Operand& a, std::int64_t r0, std::int64_t rows, std::int64_t c0, std::int64_t columns,
                 float* space) {
  if (a.dtype == Dtype::fp32) return {reinterpret_cast<const float*>(element_of(a, r0, c0)), a.step()};
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / columns);
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t at_once = columns == a.step() ? end - begin : 1;
    for (std::int64_t r = begin; r < end; r += at_once)
      kernels().to_float(a.dtype, element_of(a, r0 + r, c0), space + r * columns, at_once * columns);
  });
  return {space, columns};
}

}  // namespace

std::int64_t blas_workspace(std::int64_t m, std::int64_t n, std::int64_t k, std::int64_t workspace_bytes) {
  const Blocks b = plan(m, n, k, workspace_bytes / 4);
  return b.m * b.n + b.k * (b.m + b.n);
}

void blas_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                  std::int64_t k, const Scratch& scratch) {
  if (m == 0 || n == 0) return;
  const Blocks size = plan(m, n, k, std::min(scratch.floats, scratch.workspace_bytes / 4));
  float* c_space = scratch.data;
  float* a_space = c_space + size.m * size.n;
  float* b_space = a_space + size.m * size.k;
  // The last converted block is kept, as the loops use it again.
  std::int64_t a_m = -1;
  std::int64_t a_k = -1;
  std::int64_t b_k = -1;
  std::int64_t b_n = -1;
  Block ab{};
  Block bb{};
  for (std::int64_t m0 = 0; m0 < m; m0 += size.m) {
    const std::int64_t mc = std::min(size.m, m - m0);
    for (std::int64_t n0 = 0; n0 < n; n0 += size.n) {
      const std::int64_t nc = std::min(size.n, n - n0);
      if (k == 0) std::fill_n(c_space, mc * nc, 0.0F);
      for (std::int64_t k0 = 0; k0 < k; k0 += size.k) {
        const std::int64_t kc = std::min(size.k, k - k0);
        if (a_m != m0 || a_k != k0)
          ab = a.transposed ? load_block(a, k0, kc, m0, mc, a_space) : load_block(a, m0, mc, k0, kc, a_space);
        if (b_k != k0 || b_n != n0)
          bb = b.transposed ? load_block(b, n0, nc, k0, kc, b_space) : load_block(b, k0, kc, n0, nc, b_space);
        a_m = m0, a_k = k0, b_k = k0, b_n = n0;
        gemm(ab.data, ab.ld, a.transposed, bb.data, bb.ld, b.transposed, c_space, nc, mc, nc, kc, k0 > 0);
      }
      const std::int64_t grain = std::max<std::int64_t>(1, 32768 / nc);
      at::parallel_for(0, mc, grain, [&](std::int64_t begin, std::int64_t end) {
        store_rows(result, n, m0 + begin, end - begin, n0, nc, c_space + begin * nc, nc);
      });
    }
  }
}

}  // namespace ebb::numerics::cpu
