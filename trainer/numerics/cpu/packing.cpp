// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/packing.h"

#include <algorithm>

#include "numerics/cpu/operand.h"

namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kStepsAtOnce = 16;   // of the inner dimension, across the stored rows
constexpr std::int64_t kMostColumns = 512;  // likewise, of the outer one
constexpr std::int64_t kScratchBytes = 16384;

struct Block {
  const char* data;
  std::int64_t stride;  // bytes between its rows
  Dtype dtype;
};

// Whether packing first rounds fp32 to bf16.
bool is_rounded(const Operand& a, Dtype element) {
  return element != Dtype::fp32 && a.dtype != element;
}

// Rows and columns as stored: in place, or rounded into `scratch`.
Block block_of(const Operand& a, Dtype element, std::int64_t r0, std::int64_t rows, std::int64_t c0,
               std::int64_t columns, char* scratch) {
  if (!is_rounded(a, element)) return {element_of(a, r0, c0), a.step() * size_of(a.dtype), a.dtype};
  const std::int64_t stride = columns * size_of(element);
  for (std::int64_t r = 0; r < rows; ++r)
    kernels().from_float(element, reinterpret_cast<const float*>(element_of(a, r0 + r, c0)),
                         scratch + r * stride, columns);
  return {scratch, stride, element};
}

}  // namespace

void pack(const Operand& a, const Panels& panels, Dtype element, bool across, std::int64_t first,
          std::int64_t count, std::int64_t k0, std::int64_t steps, std::int64_t width, char* out) {
  alignas(64) char scratch[kScratchBytes];
  const std::int64_t words = (steps + panels.in_word - 1) / panels.in_word;
  const std::int64_t panel_bytes = words * width * 4;
  const auto at_step = [&](std::int64_t p, std::int64_t k) {
    return out + p / width * panel_bytes + k / panels.in_word * width * 4;
  };
  if (across) {
    const std::int64_t most = kMostColumns / width * width;
    for (std::int64_t k = 0; k < steps; k += kStepsAtOnce) {
      const std::int64_t here = std::min(kStepsAtOnce, steps - k);
      for (std::int64_t c = 0; c < count; c += most) {
        const std::int64_t columns = std::min(most, count - c);
        const Block block = block_of(a, element, k0 + k, here, first + c, columns, scratch);
        for (std::int64_t p = 0; p < columns; p += width)
          panels.pack_columns(block.dtype, block.data + p * size_of(block.dtype), block.stride, here,
                              std::min(width, columns - p), width, at_step(c + p, k));
      }
    }
    return;
  }
  // An even number, so that pairs of bf16 stay in one word.
  const std::int64_t most = is_rounded(a, element) ? kScratchBytes / (width * 2) / 2 * 2 : steps;
  for (std::int64_t p = 0; p < count; p += width) {
    const std::int64_t rows = std::min(width, count - p);
    for (std::int64_t k = 0; k < steps; k += most) {
      const std::int64_t here = std::min(most, steps - k);
      const Block block = block_of(a, element, first + p, rows, k0 + k, here, scratch);
      panels.pack_rows(block.dtype, block.data, block.stride, rows, here, width, at_step(p, k));
    }
  }
}

}  // namespace ebb::numerics::cpu
