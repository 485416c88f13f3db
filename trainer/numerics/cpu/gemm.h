#pragma once
#include <cstdint>

#include "numerics/cpu/kernels.h"

namespace ebb::numerics::cpu {

// Row-major C [m, n] = A op B (+ C where `accumulate`), fp32; A is [m, k], or stored [k, m] where
// transposed_a; B is [k, n], or stored [n, k] where transposed_b.
void gemm(const float* a, std::int64_t lda, bool transposed_a, const float* b, std::int64_t ldb,
          bool transposed_b, float* c, std::int64_t ldc, std::int64_t m, std::int64_t n, std::int64_t k,
          bool accumulate);

// A matrix of any kind, row-major and dense, that is read through act'(saved) where `saved` is given (same
// shape and kind).
struct Operand {
  Kind kind;
  const void* data;
  std::int64_t rows, columns;  // as stored
  bool transposed;
  const void* saved = nullptr;
  Act act = Act::none;
};

// What happens to a finished block: out = act(block + bias), and `before` takes block + bias. All [m, n] of
// one kind.
struct Result {
  Kind kind;
  void* out;
  const float* bias = nullptr;  // [n]
  Act act = Act::none;
  void* before = nullptr;
};

// Floats of workspace that `product` needs for this size under the limit of workspace_bytes().
std::int64_t product_workspace(std::int64_t m, std::int64_t n, std::int64_t k);
// result [m, n] = a b, block by block: 16-bit blocks are converted into the workspace, summed there in fp32
// and rounded once.
void product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k, float* workspace);

// sums [columns] = the column sums of `a` (not transposed), in fp32 and in the order of the rows.
void column_sums(const Operand& a, float* sums);

}  // namespace ebb::numerics::cpu
