#include "numerics/cpu/gemm.h"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <algorithm>

#include "numerics/cpu/workspace.h"

// LibTorch's own BLAS, called past the tensors where the library shows it; a build of LibTorch that hides it
// goes through at::mm_out.
extern "C" __attribute__((weak)) void sgemm_(const char* transa, const char* transb, const int* m,
                                             const int* n, const int* k, const float* alpha, const float* a,
                                             const int* lda, const float* b, const int* ldb,
                                             const float* beta, float* c, const int* ldc);

namespace ebb::numerics::cpu {
namespace {

void gemm_by_tensors(const float* a, std::int64_t lda, bool transposed_a, const float* b, std::int64_t ldb,
                     bool transposed_b, float* c, std::int64_t ldc, std::int64_t m, std::int64_t n,
                     std::int64_t k, bool accumulate) {
  const auto view = [](const float* data, std::int64_t rows, std::int64_t columns, std::int64_t ld,
                       bool transposed) {
    const std::vector<std::int64_t> strides =
        transposed ? std::vector<std::int64_t>{1, ld} : std::vector<std::int64_t>{ld, 1};
    return at::from_blob(const_cast<float*>(data), {rows, columns}, strides, at::kFloat);
  };
  at::Tensor out = view(c, m, n, ldc, false);
  at::addmm_out(out, out, view(a, m, k, lda, transposed_a), view(b, k, n, ldb, transposed_b),
                accumulate ? 1 : 0, 1);
}

struct Blocks {
  std::int64_t m, n, k;
};

Blocks plan(std::int64_t m, std::int64_t n, std::int64_t k) {
  const std::int64_t floats = std::max<std::int64_t>(workspace_bytes() / 4, 64);
  Blocks b{std::min<std::int64_t>(m, 256), std::min<std::int64_t>(n, 512), k};
  while (b.m * b.n > floats / 4 && (b.m > 1 || b.n > 1))
    (b.m > b.n ? b.m : b.n) = (std::max(b.m, b.n) + 1) / 2;
  b.k = std::clamp<std::int64_t>((floats - b.m * b.n) / std::max<std::int64_t>(b.m + b.n, 1), 1,
                                 std::max<std::int64_t>(k, 1));
  return b;
}

void load_run(const Operand& a, std::int64_t first, std::int64_t n, float* out) {
  const Kernels& kern = kernels();
  const std::int64_t size = a.kind == Kind::f32 ? 4 : 2;
  kern.to_float(a.kind, static_cast<const char*>(a.data) + first * size, out, n);
  if (a.saved == nullptr || a.act == Act::none) return;
  constexpr std::int64_t kSegment = 512;
  float saved[kSegment];
  for (std::int64_t i = 0; i < n; i += kSegment) {
    const std::int64_t count = std::min(kSegment, n - i);
    kern.to_float(a.kind, static_cast<const char*>(a.saved) + (first + i) * size, saved, count);
    kern.activation_gradient(a.act, saved, out + i, count);
  }
}

struct Block {
  const float* data;
  std::int64_t ld;
};

// The part [r0, r0 + rows) x [c0, c0 + columns) as floats: fp32 without an activation is used where it lies.
Block load_block(const Operand& a, std::int64_t r0, std::int64_t rows, std::int64_t c0, std::int64_t columns,
                 float* space) {
  if (a.kind == Kind::f32 && (a.saved == nullptr || a.act == Act::none))
    return {static_cast<const float*>(a.data) + r0 * a.columns + c0, a.columns};
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / columns);
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    if (columns == a.columns) {
      load_run(a, (r0 + begin) * columns, (end - begin) * columns, space + begin * columns);
    } else {
      for (std::int64_t r = begin; r < end; ++r)
        load_run(a, (r0 + r) * a.columns + c0, columns, space + r * columns);
    }
  });
  return {space, columns};
}

void store_block(const Result& result, std::int64_t n, std::int64_t m0, std::int64_t rows, std::int64_t n0,
                 std::int64_t columns, float* block) {
  const Kernels& kern = kernels();
  const std::int64_t size = result.kind == Kind::f32 ? 4 : 2;
  const auto place = [&](void* base, std::int64_t row) {
    return base == nullptr ? nullptr
                           : static_cast<void*>(static_cast<char*>(base) + ((m0 + row) * n + n0) * size);
  };
  const float* bias = result.bias == nullptr ? nullptr : result.bias + n0;
  const std::int64_t grain = std::max<std::int64_t>(1, 32768 / columns);
  at::parallel_for(0, rows, grain, [&](std::int64_t begin, std::int64_t end) {
    const std::int64_t at_once = columns == n ? end - begin : 1;
    for (std::int64_t r = begin; r < end; r += at_once)
      kern.finish(result.kind, block + r * columns, bias, result.act, at_once, columns, place(result.out, r),
                  place(result.before, r));
  });
}

}  // namespace

void gemm(const float* a, std::int64_t lda, bool transposed_a, const float* b, std::int64_t ldb,
          bool transposed_b, float* c, std::int64_t ldc, std::int64_t m, std::int64_t n, std::int64_t k,
          bool accumulate) {
  if (m == 0 || n == 0) return;
  if (k == 0) {
    if (!accumulate)
      for (std::int64_t r = 0; r < m; ++r) std::fill_n(c + r * ldc, n, 0.0F);
    return;
  }
  if (sgemm_ == nullptr)
    return gemm_by_tensors(a, lda, transposed_a, b, ldb, transposed_b, c, ldc, m, n, k, accumulate);
  // BLAS counts columns first: the row-major product is its C^T = B^T A^T.
  const char ta = transposed_a ? 'T' : 'N';
  const char tb = transposed_b ? 'T' : 'N';
  const int mi = static_cast<int>(m);
  const int ni = static_cast<int>(n);
  const int ki = static_cast<int>(k);
  const int la = static_cast<int>(lda);
  const int lb = static_cast<int>(ldb);
  const int lc = static_cast<int>(ldc);
  const float one = 1.0F;
  const float beta = accumulate ? 1.0F : 0.0F;
  sgemm_(&tb, &ta, &ni, &mi, &ki, &one, b, &lb, a, &la, &beta, c, &lc);
}

std::int64_t product_workspace(std::int64_t m, std::int64_t n, std::int64_t k) {
  const Blocks b = plan(m, n, k);
  return b.m * b.n + b.k * (b.m + b.n);
}

void product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k, float* workspace) {
  if (m == 0 || n == 0) return;
  const Blocks size = plan(m, n, k);
  float* c_space = workspace;
  float* a_space = c_space + size.m * size.n;
  float* b_space = a_space + size.m * size.k;
  // A block that was just converted is kept while the loops come back to it.
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
      store_block(result, n, m0, mc, n0, nc, c_space);
    }
  }
}

void column_sums(const Operand& a, float* sums) {
  std::fill_n(sums, a.columns, 0.0F);
  constexpr std::int64_t kWidth = 2048;
  const std::int64_t strips = (a.columns + kWidth - 1) / kWidth;
  at::parallel_for(0, strips, 1, [&](std::int64_t begin, std::int64_t end) {
    float row[kWidth];
    for (std::int64_t s = begin; s < end; ++s) {
      const std::int64_t count = std::min(kWidth, a.columns - s * kWidth);
      for (std::int64_t r = 0; r < a.rows; ++r) {
        load_run(a, r * a.columns + s * kWidth, count, row);
        kernels().add(row, sums + s * kWidth, count);
      }
    }
  });
}

}  // namespace ebb::numerics::cpu
