// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "numerics/cpu/product.h"

// Helpers of the implementations of product.h: they read an operand and finish a block.
namespace ebb::numerics::cpu {

inline const char* element_of(const Operand& a, std::int64_t row, std::int64_t column) {
  return static_cast<const char*>(a.data) + (row * a.step() + column) * size_of(a.dtype);
}

// Stores an fp32 block [rows, columns], rows ld apart, at row m0 and column n0 of the result, which is n
// wide. Overwrites the block, which may be part of the result. Runs on the calling thread.
void store_rows(const Result& result, std::int64_t n, std::int64_t m0, std::int64_t rows, std::int64_t n0,
                std::int64_t columns, float* block, std::int64_t ld);

}  // namespace ebb::numerics::cpu
