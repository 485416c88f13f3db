// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>
#include <span>

#include "numerics/cpu/kernels.h"
#include "numerics/workspace_bytes.h"

// Matrix products of any dtypes, for the ops. Memory beside the result is bounded.
namespace ebb::numerics::cpu {

// A row-major matrix.
struct Operand {
  Dtype dtype;
  const void* data;
  std::int64_t rows, columns;  // as stored
  bool transposed;
  std::int64_t stride = 0;  // elements from row to row; 0: rows are dense
  bool may_round = false;   // fp32 that may be rounded to bf16 if the other operand is bf16

  [[nodiscard]] std::int64_t step() const { return stride == 0 ? columns : stride; }
};

// The destination of a finished block: out = act(block + bias), and `pre_activation`, if not null, receives
// block + bias. All [m, n] of one dtype.
struct Result {
  Dtype dtype;
  void* out;
  const float* bias = nullptr;  // [n]
  Activation act = Activation::none;
  void* pre_activation = nullptr;
  bool accumulate = false;  // out += block; only fp32 without bias and activation
};

// fp32 sums without bias or activation.
inline Result fp32_result(float* out, bool accumulate = false) {
  Result result{Dtype::fp32, out};
  result.accumulate = accumulate;
  return result;
}

// An fp32 operand beside a matrix of `dtype`. It may be rounded to bf16 if that is bf16.
inline Operand fp32_operand(Dtype dtype, const float* data, std::int64_t rows, std::int64_t columns,
                            bool transposed) {
  return {Dtype::fp32, data, rows, columns, transposed, 0, dtype == Dtype::bf16};
}

// Floats that a product may use for its blocks, and the bytes that limit a plan. In a parallel region
// (`in_parallel`) a product uses only the calling thread.
struct Scratch {
  float* data;
  std::int64_t floats;
  bool in_parallel = false;
  std::int64_t workspace_bytes = kWorkspaceBytes;
};

// Floats of scratch with which a product of this size is fastest, within `workspace_bytes`. With less, a
// product uses smaller blocks; kMinScratch floats for each of its threads suffice for any.
std::int64_t product_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel = false,
                               std::int64_t workspace_bytes = kWorkspaceBytes);
inline constexpr std::int64_t kMinScratch = 1024;

// result [m, n] = a b, block by block. Sums are fp32 and rounded once. bf16 is multiplied directly if both
// operands are bf16 (or may be rounded to it) and the processor is faster that way. All else is converted to
// fp32.
void product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k, const Scratch& scratch);

struct Product {
  Operand a, b;
  Result result;
  std::int64_t m, n, k;
};

// Several small products in one pass (a grouped GEMM): their threads synchronise twice in all instead of
// twice for each. Do not call it in a parallel region. Gives the same bits as packed_product().
void grouped_products(std::span<const Product> products, float* scratch);
// Floats that grouped_products() needs. 0: it does not support these products (empty or too large for the
// workspace), or there is one thread, or no AVX-512. Reads only the sizes.
std::int64_t grouped_workspace(std::span<const Product> products,
                               std::int64_t workspace_bytes = kWorkspaceBytes);

// sums [columns] = the column sums of `a` (not transposed), in fp32 and in the order of the rows.
void column_sums(const Operand& a, float* sums);

// out = dy act'(saved), `elements` of one dtype each.
void activation_backward(Dtype dtype, const void* dy, const void* saved, Activation act,
                         std::int64_t elements, void* out);

// The implementations that product() chooses from; tests call them to compare.
// Through panels, on AVX-512. Returns false and does nothing on other processors.
bool packed_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                    std::int64_t k, const Scratch& scratch);
std::int64_t packed_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel = false,
                              std::int64_t workspace_bytes = kWorkspaceBytes);
// Row by column, for few rows, without packing: m <= kFewRows, `a` not transposed, `b` transposed.
inline constexpr std::int64_t kFewRows = 4;
void row_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                 std::int64_t k);
// Through BLAS in fp32, on any machine.
void blas_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                  std::int64_t k, const Scratch& scratch);
std::int64_t blas_workspace(std::int64_t m, std::int64_t n, std::int64_t k,
                            std::int64_t workspace_bytes = kWorkspaceBytes);

}  // namespace ebb::numerics::cpu
