#pragma once
#include <cstdint>

#include "numerics/cpu/kernels.h"

// Products of matrices that were packed into panels: the inner loops of packed_product.cpp. Plain memory; on
// AVX-512 only, elsewhere BLAS multiplies.
//
// A panel holds `width` rows of the left matrix, or columns of the right one, step by step of the inner
// dimension: [steps][width] words of 4 bytes, a word being one fp32 or two neighbouring bf16, beyond what
// there is something that no tile stores. Sums are fp32, one chain over the inner dimension for each element,
// so that they do not depend on how the matrix was cut into blocks and dealt to threads.
namespace ebb::numerics::cpu {

inline constexpr std::int64_t kLeftPanel = 14;   // rows of a tile
inline constexpr std::int64_t kRightPanel = 32;  // columns of a tile

struct Panels {
  std::int64_t in_word;  // elements of the inner dimension in a word: 1 (fp32) or 2 (bf16)
  // in [rows, inner] of `dtype`, rows `stride` bytes apart and inside a panel: out [words][width]. Of any
  // dtype for panels of fp32, which are converted on the way, of bf16 for those of bf16.
  void (*pack_rows)(Dtype dtype, const void* in, std::int64_t stride, std::int64_t rows, std::int64_t inner,
                    std::int64_t width, void* out);
  // in [inner, columns], likewise; columns lie inside a panel.
  void (*pack_columns)(Dtype dtype, const void* in, std::int64_t stride, std::int64_t inner,
                       std::int64_t columns, std::int64_t width, void* out);
  // c [rows <= 14, columns <= 32] (+)= left right, c's rows ldc floats apart.
  void (*tile)(const void* left, const void* right, std::int64_t words, std::int64_t rows,
               std::int64_t columns, bool accumulate, float* c, std::int64_t ldc);
};

// For elements of fp32 or bf16; null where the processor has no instructions for it or is quicker without
// them (and for fp16).
const Panels* avx512_panels(Dtype element);

}  // namespace ebb::numerics::cpu
