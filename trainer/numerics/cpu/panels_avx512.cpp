// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/panels.h"
#include "numerics/instruction_set.h"

#if defined(__x86_64__)
#include <algorithm>
#include <array>
#include <utility>

#include "numerics/cpu/instruction_sets.h"

namespace ebb::numerics::cpu {
namespace {

constexpr std::int64_t kVector = 16;  // words of a vector
constexpr std::int64_t kAhead = 512;  // bytes of prefetch: the hardware cannot predict 16 rows

EBB_AVX512 inline __mmask32 first_16_bit(std::int64_t n) {
  return n >= 2 * kVector ? 0xffffffffU : n <= 0 ? 0U : (1U << n) - 1U;
}

constexpr std::int64_t kRowsAhead = 16;  // likewise, when columns are packed

// 16 x 16 words, in place.
EBB_AVX512 inline void transpose(__m512i (&r)[kVector]) {
  __m512i t[kVector];
#pragma GCC unroll 8
  for (int i = 0; i < kVector; i += 2) {
    t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < kVector; i += 4) {
    r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    t[i] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0x88);
    t[i + 4] = _mm512_shuffle_i32x4(r[i], r[i + 4], 0xdd);
    t[i + 8] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0x88);
    t[i + 12] = _mm512_shuffle_i32x4(r[i + 8], r[i + 12], 0xdd);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0x88);
    r[i + 4] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0x88);
    r[i + 8] = _mm512_shuffle_i32x4(t[i], t[i + 8], 0xdd);
    r[i + 12] = _mm512_shuffle_i32x4(t[i + 4], t[i + 12], 0xdd);
  }
}

// Up to 16 words of a row at `from`, of which `left` elements remain. A word is one element converted to
// fp32, or two bf16.
struct Fp32Row {
  static constexpr std::int64_t kBytes = 4;  // of a row, for one word
  EBB_AVX512 static __m512i load(const char* from, std::int64_t left) {
    return _mm512_maskz_loadu_epi32(first_words(left), from);
  }
};
struct Fp16Row {
  static constexpr std::int64_t kBytes = 2;
  EBB_AVX512 static __m512i load(const char* from, std::int64_t left) {
    return _mm512_castps_si512(_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first_words(left), from)));
  }
};
struct Bf16Row {
  static constexpr std::int64_t kBytes = 2;
  EBB_AVX512 static __m512i load(const char* from, std::int64_t left) {
    return _mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(first_words(left), from)), 16);
  }
};
struct Bf16PairRow {
  static constexpr std::int64_t kBytes = 4;
  EBB_AVX512 static __m512i load(const char* from, std::int64_t left) {
    return _mm512_maskz_loadu_epi16(first_16_bit(left), from);
  }
};

// `inner` elements, `in_word` of them in a word. A panel wider than its rows repeats the last row; no tile
// stores those results.
template <class Source>
EBB_AVX512 void pack_rows(const void* in, std::int64_t stride, std::int64_t rows, std::int64_t inner,
                          std::int64_t in_word, std::int64_t width, void* out) {
  const std::int64_t count = (inner + in_word - 1) / in_word;
  for (std::int64_t r0 = 0; r0 < width; r0 += kVector) {
    const __mmask16 kept = first_words(width - r0);
    const char* row[kVector];
    for (std::int64_t i = 0; i < kVector; ++i)
      row[i] = static_cast<const char*>(in) + std::min(r0 + i, rows - 1) * stride;
    auto* words = static_cast<std::uint32_t*>(out) + r0;
    for (std::int64_t w = 0; w < count; w += kVector) {
      __m512i r[kVector];
#pragma GCC unroll 16
      for (int i = 0; i < kVector; ++i) {
        const char* const from = row[i] + Source::kBytes * w;
        r[i] = Source::load(from, inner - in_word * w);
        _mm_prefetch(from + kAhead, _MM_HINT_T0);
      }
      transpose(r);
      const std::int64_t n = std::min(kVector, count - w);
      if (n == kVector) {
#pragma GCC unroll 16
        for (int i = 0; i < kVector; ++i) _mm512_mask_storeu_epi32(words + i * width, kept, r[i]);
        words += kVector * width;
        continue;
      }
      alignas(64) std::uint32_t rest[kVector][kVector];
#pragma GCC unroll 16
      for (int i = 0; i < kVector; ++i) _mm512_store_si512(rest[i], r[i]);
      for (std::int64_t i = 0; i < n; ++i)
        _mm512_mask_storeu_epi32(words + i * width, kept, _mm512_load_si512(rest[i]));
    }
  }
}

void pack_rows_f32(Dtype dtype, const void* in, std::int64_t stride, std::int64_t rows, std::int64_t inner,
                   std::int64_t width, void* out) {
  const auto way = dtype == Dtype::fp32   ? pack_rows<Fp32Row>
                   : dtype == Dtype::fp16 ? pack_rows<Fp16Row>
                                          : pack_rows<Bf16Row>;
  way(in, stride, rows, inner, 1, width, out);
}

void pack_rows_bf16(Dtype, const void* in, std::int64_t stride, std::int64_t rows, std::int64_t inner,
                    std::int64_t width, void* out) {
  pack_rows<Bf16PairRow>(in, stride, rows, inner, 2, width, out);
}

template <class Source>
EBB_AVX512 void pack_columns(const void* in, std::int64_t stride, std::int64_t inner, std::int64_t columns,
                             std::int64_t width, void* out) {
  auto* const words = static_cast<std::uint32_t*>(out);
  for (std::int64_t c = 0; c < width; c += kVector) {
    const __mmask16 kept = first_words(width - c);
    for (std::int64_t k = 0; k < inner; ++k) {
      const char* const from = static_cast<const char*>(in) + k * stride + Source::kBytes * c;
      _mm_prefetch(from + kRowsAhead * stride, _MM_HINT_T0);
      _mm512_mask_storeu_epi32(words + k * width + c, kept, Source::load(from, columns - c));
    }
  }
}

void pack_columns_f32(Dtype dtype, const void* in, std::int64_t stride, std::int64_t inner,
                      std::int64_t columns, std::int64_t width, void* out) {
  const auto way = dtype == Dtype::fp32   ? pack_columns<Fp32Row>
                   : dtype == Dtype::fp16 ? pack_columns<Fp16Row>
                                          : pack_columns<Bf16Row>;
  way(in, stride, inner, columns, width, out);
}

EBB_AVX512 void pack_columns_bf16(Dtype, const void* in, std::int64_t stride, std::int64_t inner,
                                  std::int64_t columns, std::int64_t width, void* out) {
  auto* const words = static_cast<std::uint32_t*>(out);
  for (std::int64_t c = 0; c < width; c += kVector) {
    const __mmask16 there = first_words(columns - c), kept = first_words(width - c);
    for (std::int64_t k = 0; k < inner; k += 2) {
      const char* const row = static_cast<const char*>(in) + k * stride + 2 * c;
      _mm_prefetch(row + kRowsAhead * stride, _MM_HINT_T0);
      _mm_prefetch(row + (kRowsAhead + 1) * stride, _MM_HINT_T0);
      const __m512i even = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, row));
      const __m512i odd = k + 1 < inner ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(there, row + stride))
                                        : _mm512_setzero_si512();
      _mm512_mask_storeu_epi32(words + (k / 2) * width + c, kept,
                               _mm512_or_si512(even, _mm512_slli_epi32(odd, 16)));
    }
  }
}

// A tile is up to 14 rows of two vectors. Its 28 sums, two vectors of the right panel and one broadcast word
// of the left fill the 32 registers. 28 independent sums hide the latency of the multiply-add.
template <int M>
struct Sums {
  __m512 at[M][2];
};

template <int M>
EBB_AVX512 inline void begin(Sums<M>& sums, std::int64_t columns, bool accumulate, const float* c,
                             std::int64_t ldc) {
#pragma GCC unroll 14
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half)
      sums.at[m][half] = accumulate ? _mm512_maskz_loadu_ps(first_words(columns - half * kVector),
                                                            c + m * ldc + half * kVector)
                                    : _mm512_setzero_ps();
}

template <int M>
EBB_AVX512 inline void end(const Sums<M>& sums, std::int64_t columns, float* c, std::int64_t ldc) {
#pragma GCC unroll 14
  for (int m = 0; m < M; ++m)
#pragma GCC unroll 2
    for (int half = 0; half < 2; ++half)
      _mm512_mask_storeu_ps(c + m * ldc + half * kVector, first_words(columns - half * kVector),
                            sums.at[m][half]);
}

template <int M>
EBB_AVX512 void tile_f32(const void* left, const void* right, std::int64_t words, std::int64_t columns,
                         bool accumulate, float* c, std::int64_t ldc) {
  Sums<M> sums;
  begin(sums, columns, accumulate, c, ldc);
  const auto* a = static_cast<const float*>(left);
  const auto* b = static_cast<const float*>(right);
  for (std::int64_t k = 0; k < words; ++k, a += kLeftPanel, b += kRightPanel) {
    const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + kVector);
#pragma GCC unroll 14
    for (int m = 0; m < M; ++m) {
      const __m512 x = _mm512_set1_ps(a[m]);
      sums.at[m][0] = _mm512_fmadd_ps(x, b0, sums.at[m][0]);
      sums.at[m][1] = _mm512_fmadd_ps(x, b1, sums.at[m][1]);
    }
  }
  end(sums, columns, c, ldc);
}

template <int M>
EBB_AVX512_BF16 void tile_bf16(const void* left, const void* right, std::int64_t words, std::int64_t columns,
                               bool accumulate, float* c, std::int64_t ldc) {
  Sums<M> sums;
  begin(sums, columns, accumulate, c, ldc);
  const auto* a = static_cast<const std::int32_t*>(left);
  const auto* b = static_cast<const std::int32_t*>(right);
  for (std::int64_t k = 0; k < words; ++k, a += kLeftPanel, b += kRightPanel) {
    const auto b0 = (__m512bh)_mm512_loadu_si512(b), b1 = (__m512bh)_mm512_loadu_si512(b + kVector);
#pragma GCC unroll 14
    for (int m = 0; m < M; ++m) {
      const auto x = (__m512bh)_mm512_set1_epi32(a[m]);
      sums.at[m][0] = _mm512_dpbf16_ps(sums.at[m][0], x, b0);
      sums.at[m][1] = _mm512_dpbf16_ps(sums.at[m][1], x, b1);
    }
  }
  end(sums, columns, c, ldc);
}

using Tile = void (*)(const void*, const void*, std::int64_t, std::int64_t, bool, float*, std::int64_t);
template <int... M>
constexpr std::array<Tile, kLeftPanel> tiles_f32(std::integer_sequence<int, M...>) {
  return {tile_f32<M + 1>...};
}
template <int... M>
constexpr std::array<Tile, kLeftPanel> tiles_bf16(std::integer_sequence<int, M...>) {
  return {tile_bf16<M + 1>...};
}
using Heights = std::make_integer_sequence<int, kLeftPanel>;
constexpr auto kTilesF32 = tiles_f32(Heights{});
constexpr auto kTilesBf16 = tiles_bf16(Heights{});

template <const std::array<Tile, kLeftPanel>& kTiles>
void tile(const void* left, const void* right, std::int64_t words, std::int64_t rows, std::int64_t columns,
          bool accumulate, float* c, std::int64_t ldc) {
  kTiles[static_cast<std::size_t>(rows - 1)](left, right, words, columns, accumulate, c, ldc);
}

constexpr Panels kF32{1, pack_rows_f32, pack_columns_f32, tile<kTilesF32>};
constexpr Panels kBf16{2, pack_rows_bf16, pack_columns_bf16, tile<kTilesBf16>};

}  // namespace

const Panels* avx512_panels(Dtype element) {
  if (instruction_set() != InstructionSet::avx512) return nullptr;
  if (element == Dtype::fp32) return &kF32;
  return element == Dtype::bf16 && bf16_products_are_faster() ? &kBf16 : nullptr;
}

}  // namespace ebb::numerics::cpu

#else
namespace ebb::numerics::cpu {
// A dry run may size the workspaces of such a processor. Nothing computes then.
const Panels* avx512_panels(Dtype element) {
  static constexpr Panels kSized{};
  return element == Dtype::fp32 && instruction_set() == InstructionSet::avx512 ? &kSized : nullptr;
}
}  // namespace ebb::numerics::cpu
#endif
