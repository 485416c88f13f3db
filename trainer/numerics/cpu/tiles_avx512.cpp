// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/kernels.h"
#include "numerics/cpu/tiles.h"
#include "numerics/instruction_set.h"

#if defined(__x86_64__)
#include <algorithm>
#include <array>
#include <utility>

#include "numerics/cpu/instruction_sets.h"

// A tile is up to 14 rows of two vectors. Its 28 sums, two vectors of b and a broadcast fill the 32
// registers. 28 independent sums hide the latency of the multiply-add.
namespace ebb::numerics::cpu {
namespace {

constexpr int kRows = 14;

struct Masks {
  __mmask16 first, second;
};

EBB_AVX512 inline Masks masks(std::int64_t width) {
  return {first_words(width), first_words(width - 16)};
}

template <int M>
EBB_AVX512 void reduce_tile(const float* const* windows, const Runs& layout, const float* b, float* c,
                            std::int64_t ldc, std::int64_t width) {
  __m512 sum0[M];
  __m512 sum1[M];
  for (int m = 0; m < M; ++m) sum0[m] = sum1[m] = _mm512_setzero_ps();
  const float* row[M];
  for (int m = 0; m < M; ++m) row[m] = windows[m];
  for (std::int64_t i = 0; i < layout.runs; ++i) {
    const std::int64_t from = i * layout.stride;
    for (std::int64_t k = from; k < from + layout.run; ++k, b += kPanel) {
      const __m512 b0 = _mm512_loadu_ps(b);
      const __m512 b1 = _mm512_loadu_ps(b + 16);
#pragma GCC unroll 14
      for (int m = 0; m < M; ++m) {
        const __m512 a = _mm512_set1_ps(row[m][k]);
        sum0[m] = _mm512_fmadd_ps(a, b0, sum0[m]);
        sum1[m] = _mm512_fmadd_ps(a, b1, sum1[m]);
      }
    }
  }
  const Masks mask = masks(width);
  for (int m = 0; m < M; ++m) {
    _mm512_mask_storeu_ps(c + m * ldc, mask.first, sum0[m]);
    _mm512_mask_storeu_ps(c + m * ldc + 16, mask.second, sum1[m]);
  }
}

template <int M>
EBB_AVX512 void spread_tile(float* const* windows, std::int64_t offset, const float* a, std::int64_t depth,
                            const float* b, std::int64_t width) {
  __m512 sum0[M];
  __m512 sum1[M];
  for (int m = 0; m < M; ++m) sum0[m] = sum1[m] = _mm512_setzero_ps();
  for (std::int64_t k = 0; k < depth; ++k, b += kPanel) {
    const __m512 b0 = _mm512_loadu_ps(b);
    const __m512 b1 = _mm512_loadu_ps(b + 16);
#pragma GCC unroll 14
    for (int m = 0; m < M; ++m) {
      const __m512 x = _mm512_set1_ps(a[m * depth + k]);
      sum0[m] = _mm512_fmadd_ps(x, b0, sum0[m]);
      sum1[m] = _mm512_fmadd_ps(x, b1, sum1[m]);
    }
  }
  const Masks mask = masks(width);
  for (int m = 0; m < M; ++m) {  // row by row: neighbouring windows overlap
    float* to = windows[m] + offset;
    _mm512_mask_storeu_ps(to, mask.first, _mm512_add_ps(sum0[m], _mm512_maskz_loadu_ps(mask.first, to)));
    _mm512_mask_storeu_ps(to + 16, mask.second,
                          _mm512_add_ps(sum1[m], _mm512_maskz_loadu_ps(mask.second, to + 16)));
  }
}

// a [rows][M] and b [rows][32], both packed.
template <int M>
EBB_AVX512 void outer_tile(const float* a, const float* b, std::int64_t rows, float* c, std::int64_t ldc,
                           std::int64_t width) {
  const Masks mask = masks(width);
  __m512 sum0[M];
  __m512 sum1[M];
  for (int m = 0; m < M; ++m) {
    sum0[m] = _mm512_maskz_loadu_ps(mask.first, c + m * ldc);
    sum1[m] = _mm512_maskz_loadu_ps(mask.second, c + m * ldc + 16);
  }
  for (std::int64_t r = 0; r < rows; ++r, a += M, b += kPanel) {
    const __m512 b0 = _mm512_loadu_ps(b);
    const __m512 b1 = _mm512_loadu_ps(b + 16);
#pragma GCC unroll 14
    for (int m = 0; m < M; ++m) {
      const __m512 x = _mm512_set1_ps(a[m]);
      sum0[m] = _mm512_fmadd_ps(x, b0, sum0[m]);
      sum1[m] = _mm512_fmadd_ps(x, b1, sum1[m]);
    }
  }
  for (int m = 0; m < M; ++m) {
    _mm512_mask_storeu_ps(c + m * ldc, mask.first, sum0[m]);
    _mm512_mask_storeu_ps(c + m * ldc + 16, mask.second, sum1[m]);
  }
}

// Windows of neighbouring lines are a power of two apart and would share cache sets, so a panel is copied
// first.
EBB_AVX512 void copy_panel(const float* const* windows, std::int64_t rows, std::int64_t offset,
                           std::int64_t width, float* out) {
  const Masks mask = masks(width);
  for (std::int64_t r = 0; r < rows; ++r, out += kPanel) {
    _mm512_storeu_ps(out, _mm512_maskz_loadu_ps(mask.first, windows[r] + offset));
    _mm512_storeu_ps(out + 16, _mm512_maskz_loadu_ps(mask.second, windows[r] + offset + 16));
  }
}

EBB_AVX512 void copy_columns(const float* a, std::int64_t rows, std::int64_t columns, std::int64_t n,
                             float* out) {
  const __mmask16 mask = first_words(n);
  for (std::int64_t r = 0; r < rows; ++r)
    _mm512_mask_storeu_ps(out + r * n, mask, _mm512_maskz_loadu_ps(mask, a + r * columns));
}

template <class F, int... M>
constexpr auto table_of(std::integer_sequence<int, M...>, F) {
  return std::array{F::template of<M + 1>()...};
}

struct ReduceOf {
  template <int M>
  static constexpr auto of() {
    return &reduce_tile<M>;
  }
};
struct SpreadOf {
  template <int M>
  static constexpr auto of() {
    return &spread_tile<M>;
  }
};
struct OuterOf {
  template <int M>
  static constexpr auto of() {
    return &outer_tile<M>;
  }
};
using Sizes = std::make_integer_sequence<int, kRows>;
constexpr auto kReduce = table_of(Sizes{}, ReduceOf{});
constexpr auto kSpread = table_of(Sizes{}, SpreadOf{});
constexpr auto kOuter = table_of(Sizes{}, OuterOf{});

// Splits rows into tiles of nearly equal height. body(first row, rows).
template <class Body>
void for_tiles(std::int64_t rows, const Body& body) {
  const std::int64_t tiles = (rows + kRows - 1) / kRows;
  for (std::int64_t t = 0; t < tiles; ++t) {
    const std::int64_t first = t * rows / tiles;
    body(first, static_cast<std::size_t>((t + 1) * rows / tiles - first));
  }
}

void reduce(const float* const* windows, std::int64_t rows, const Runs& layout, const float* b,
            std::int64_t columns, float* c) {
  const std::int64_t depth = layout.runs * layout.run;
  for_tiles(rows, [&](std::int64_t first, std::size_t n) {
    for (std::int64_t p = 0; p < panels(columns); ++p)
      kReduce[n - 1](windows + first, layout, b + p * depth * kPanel, c + first * columns + p * kPanel,
                     columns, columns - p * kPanel);
  });
}

void spread(float* const* windows, std::int64_t rows, const Runs& layout, const float* a, std::int64_t depth,
            const float* b) {
  for_tiles(rows, [&](std::int64_t first, std::size_t n) {
    const float* panel = b;
    for (std::int64_t i = 0; i < layout.runs; ++i)
      for (std::int64_t j = 0; j < layout.run; j += kPanel, panel += depth * kPanel)
        kSpread[n - 1](windows + first, i * layout.stride + j, a + first * depth, depth, panel,
                       layout.run - j);
  });
}

void outer(const float* const* windows, std::int64_t rows, const Runs& layout, const float* a,
           std::int64_t columns, float* c, float* scratch) {
  const std::int64_t length = layout.runs * layout.run;
  float* panel = scratch;
  float* packed = scratch + kOuterRows * kPanel;
  for (std::int64_t r0 = 0; r0 < rows; r0 += kOuterRows) {
    const std::int64_t count = std::min(kOuterRows, rows - r0);
    for_tiles(columns, [&](std::int64_t first, std::size_t n) {
      copy_columns(a + r0 * columns + first, count, columns, static_cast<std::int64_t>(n),
                   packed + first * count);
    });
    for (std::int64_t i = 0; i < layout.runs; ++i)
      for (std::int64_t j = 0; j < layout.run; j += kPanel) {
        copy_panel(windows + r0, count, i * layout.stride + j, layout.run - j, panel);
        for_tiles(columns, [&](std::int64_t first, std::size_t n) {
          kOuter[n - 1](packed + first * count, panel, count, c + first * length + i * layout.run + j, length,
                        layout.run - j);
        });
      }
  }
}

constexpr Tiles kTiles{reduce, spread, outer};

}  // namespace

const Tiles* avx512_tiles() {
  return instruction_set() == InstructionSet::avx512 ? &kTiles : nullptr;
}

}  // namespace ebb::numerics::cpu

#else
namespace ebb::numerics::cpu {
// A dry run may size the workspaces of such a processor. Nothing computes then.
const Tiles* avx512_tiles() {
  static constexpr Tiles kSized{};
  return instruction_set() == InstructionSet::avx512 ? &kSized : nullptr;
}
}  // namespace ebb::numerics::cpu
#endif
