#pragma once
#include <cstdint>
#include <span>

#include "numerics/cpu/kernels.h"

// Products of matrices of any dtype: what ops are made of. Memory beside the result is bounded.
namespace ebb::numerics::cpu {

// A row-major matrix.
struct Operand {
  Dtype dtype;
  const void* data;
  std::int64_t rows, columns;  // as stored
  bool transposed;
  std::int64_t stride = 0;  // elements from row to row; 0: rows are dense
  bool may_round = false;   // fp32 that may be rounded to bf16 where the other operand is bf16

  [[nodiscard]] std::int64_t step() const { return stride == 0 ? columns : stride; }
};

// What happens to a finished block: out = act(block + bias), and `pre_activation` takes block + bias. All [m,
// n] of one dtype.
struct Result {
  Dtype dtype;
  void* out;
  const float* bias = nullptr;  // [n]
  Activation act = Activation::none;
  void* pre_activation = nullptr;
  bool accumulate = false;  // out += block: fp32 without bias and activation alone
};

// fp32 sums and no more.
inline Result fp32_result(float* out, bool accumulate = false) {
  Result result{Dtype::fp32, out};
  result.accumulate = accumulate;
  return result;
}

// fp32 that is multiplied with a matrix of `dtype`, and is as good in that.
inline Operand fp32_operand(Dtype dtype, const float* data, std::int64_t rows, std::int64_t columns,
                            bool transposed) {
  return {Dtype::fp32, data, rows, columns, transposed, 0, dtype == Dtype::bf16};
}

// Floats that a product may hold meanwhile. Within a parallel region (`in_parallel`) it works on the calling
// thread alone.
struct Scratch {
  float* data;
  std::int64_t floats;
  bool in_parallel = false;
};

// The scratch with which a product of this size is quickest, under the limit of workspace_bytes(). With less
// it cuts its blocks smaller; kMinScratch is enough for any, on each of its threads.
std::int64_t product_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel = false);
inline constexpr std::int64_t kMinScratch = 1024;

// result [m, n] = a b, block by block: sums are fp32 and rounded once. bf16 is multiplied as it is where the
// processor is quicker so and both are bf16 (or may be rounded to it); all else is converted to fp32.
void product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
             std::int64_t k, const Scratch& scratch);

struct Product {
  Operand a, b;
  Result result;
  std::int64_t m, n, k;
};

// Several small products, whose threads wait for each other twice and not twice for each. Not in a parallel
// region. The same bits as packed_product()'s.
void grouped_products(std::span<const Product> products, float* scratch);
// Floats that they need; 0: they cannot, being empty or too large for the workspace, on one thread, or
// without AVX-512. Only sizes are looked at.
std::int64_t grouped_workspace(std::span<const Product> products);

// sums [columns] = the column sums of `a` (not transposed), in fp32 and in the order of the rows.
void column_sums(const Operand& a, float* sums);

// out = dy act'(saved), `elements` of one dtype each.
void activation_backward(Dtype dtype, const void* dy, const void* saved, Activation act,
                         std::int64_t elements, void* out);

// The parts of product() for one way of multiplying each; tests call them to compare.
// Through panels, on AVX-512. False where the processor has it not: nothing was done.
bool packed_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                    std::int64_t k, const Scratch& scratch);
std::int64_t packed_workspace(std::int64_t m, std::int64_t n, std::int64_t k, bool in_parallel = false);
// Row by column, where there are few rows and packing would not pay: m <= kFewRows, a as it is, b transposed.
inline constexpr std::int64_t kFewRows = 4;
void row_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                 std::int64_t k);
// Through BLAS in fp32, on any machine.
void blas_product(const Operand& a, const Operand& b, const Result& result, std::int64_t m, std::int64_t n,
                  std::int64_t k, const Scratch& scratch);
std::int64_t blas_workspace(std::int64_t m, std::int64_t n, std::int64_t k);

}  // namespace ebb::numerics::cpu
