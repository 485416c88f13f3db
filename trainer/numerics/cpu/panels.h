// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

#include "numerics/cpu/kernels.h"

// Products of packed panels: the inner loops of product_packed.cpp, over plain memory. For AVX-512 only; BLAS
// multiplies on other processors.
//
// A panel holds `width` rows of the left matrix, or columns of the right one: [steps][width] words of 4 bytes
// along the inner dimension. A word is one fp32 or two neighbouring bf16. Words beyond the matrix have any
// value, and no tile stores their results.
//
// Sums are fp32, one chain over the inner dimension for each element. They therefore do not depend on the
// blocks or the threads.
namespace ebb::numerics::cpu {

inline constexpr std::int64_t kLeftPanel = 14;   // rows of a tile
inline constexpr std::int64_t kRightPanel = 32;  // columns of a tile

struct Panels {
  std::int64_t in_word;  // elements of the inner dimension in a word: 1 (fp32) or 2 (bf16)
  // in [rows, inner], rows `stride` bytes apart and within one panel -> out [words][width]. Panels of fp32
  // accept any dtype and convert it; panels of bf16 accept bf16.
  void (*pack_rows)(Dtype dtype, const void* in, std::int64_t stride, std::int64_t rows, std::int64_t inner,
                    std::int64_t width, void* out);
  // The same for in [inner, columns], whose columns are within one panel.
  void (*pack_columns)(Dtype dtype, const void* in, std::int64_t stride, std::int64_t inner,
                       std::int64_t columns, std::int64_t width, void* out);
  // c [rows <= 14, columns <= 32] (+)= left right, c's rows ldc floats apart.
  void (*tile)(const void* left, const void* right, std::int64_t words, std::int64_t rows,
               std::int64_t columns, bool accumulate, float* c, std::int64_t ldc);
};

// For elements of fp32 or bf16. Null for fp16, if instruction_set() is another one, and for bf16 if the
// processor is faster without its instruction.
const Panels* avx512_panels(Dtype element);

}  // namespace ebb::numerics::cpu
