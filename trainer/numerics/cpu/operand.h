#pragma once
#include "numerics/cpu/product.h"

// How both ways of product.h read an operand and finish a block.
namespace ebb::numerics::cpu {

inline const char* element_of(const Operand& a, std::int64_t row, std::int64_t column) {
  return static_cast<const char*>(a.data) + (row * a.step() + column) * size_of(a.kind);
}

// A block [rows, columns] of fp32, dense, becomes rows m0.. and columns n0.. of the result, which is n wide.
// The block is overwritten. By one thread.
void store_rows(const Result& result, std::int64_t n, std::int64_t m0, std::int64_t rows, std::int64_t n0,
                std::int64_t columns, float* block);

}  // namespace ebb::numerics::cpu
