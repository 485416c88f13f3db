// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/gemm.h"

#include <ATen/ATen.h>

#include <algorithm>

// LibTorch's own BLAS, called without tensors if the library exports it, else through at::mm_out.
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
  // BLAS is column-major: the row-major product is its C^T = B^T A^T.
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

}  // namespace ebb::numerics::cpu
