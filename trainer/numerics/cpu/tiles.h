#pragma once
#include <cstdint>

// Products in which one matrix is made of the windows of an image. The windows are never written out: a row
// is a pointer into the padded image, and its elements are `runs` pieces of `run` floats that lie `stride`
// floats apart (one piece for each line of the kernel). On AVX-512 only; elsewhere windows are written out
// and multiplied by BLAS.
namespace ebb::numerics::cpu {

inline constexpr std::int64_t kPanel = 32;  // columns of a packed panel

inline constexpr std::int64_t kOuterRows =
    128;  // rows whose panel and whose part of a are copied together: both stay in the nearest cache

struct Runs {
  std::int64_t runs, run, stride;
};

struct Tiles {
  // c [rows, columns] = windows [rows, runs*run] b; b packed as ceil(columns/32) panels of [runs*run][32],
  // zeros beyond the last column.
  void (*reduce)(const float* const* windows, std::int64_t rows, const Runs& how, const float* b,
                 std::int64_t columns, float* c);
  // windows [rows, runs*run] += a [rows, depth] b; windows may overlap. b packed as panels of [depth][32],
  // ceil(run/32) for each run.
  void (*spread)(float* const* windows, std::int64_t rows, const Runs& how, const float* a,
                 std::int64_t depth, const float* b);
  // c [columns, runs*run] += a^T windows, a [rows, columns]. scratch holds outer_scratch(columns) floats.
  void (*outer)(const float* const* windows, std::int64_t rows, const Runs& how, const float* a,
                std::int64_t columns, float* c, float* scratch);
};

const Tiles* avx512_tiles();  // null where the processor has it not

inline std::int64_t outer_scratch(std::int64_t columns) {
  return kOuterRows * (columns + kPanel);
}
inline std::int64_t panels(std::int64_t columns) {
  return (columns + kPanel - 1) / kPanel;
}

}  // namespace ebb::numerics::cpu
