// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <cstdint>

// Products of the windows of an image (the rows of im2col), without a copy of the windows. A window is a
// pointer into the padded image: `runs` runs of `run` adjacent floats, `stride` floats apart, one run for
// each line of the kernel. For AVX-512 only; on other processors windows are copied and multiplied by BLAS.
namespace ebb::numerics::cpu {

inline constexpr std::int64_t kPanel = 32;  // columns of a packed panel

// Rows of a panel and of `a` that are copied at a time, so that both stay in the L1 cache.
inline constexpr std::int64_t kOuterRows = 128;

// The layout of a window, in floats.
struct Runs {
  std::int64_t runs, run, stride;
};

struct Tiles {
  // c [rows, columns] = windows [rows, runs*run] b; b packed as ceil(columns/32) panels of [runs*run][32],
  // zeros beyond the last column.
  void (*reduce)(const float* const* windows, std::int64_t rows, const Runs& layout, const float* b,
                 std::int64_t columns, float* c);
  // windows [rows, runs*run] += a [rows, depth] b; windows may overlap. b packed as panels of [depth][32],
  // ceil(run/32) for each run.
  void (*spread)(float* const* windows, std::int64_t rows, const Runs& layout, const float* a,
                 std::int64_t depth, const float* b);
  // c [columns, runs*run] += a^T windows, a [rows, columns]. scratch holds outer_scratch(columns) floats.
  void (*outer)(const float* const* windows, std::int64_t rows, const Runs& layout, const float* a,
                std::int64_t columns, float* c, float* scratch);
};

const Tiles* avx512_tiles();  // null if instruction_set() is another one

inline std::int64_t outer_scratch(std::int64_t columns) {
  return kOuterRows * (columns + kPanel);
}
inline std::int64_t panels(std::int64_t columns) {
  return (columns + kPanel - 1) / kPanel;
}

}  // namespace ebb::numerics::cpu
