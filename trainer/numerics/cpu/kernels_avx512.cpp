// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/kernels.h"

#if defined(__x86_64__)
#include "numerics/cpu/instruction_sets.h"
#include "numerics/cpu/kernel_set.h"

namespace ebb::numerics::cpu {
namespace {

struct Convert {
  EBB_AVX512 static void from_fp16(const std::uint16_t* in, float* out, std::int64_t n) {
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16)
      _mm512_storeu_ps(out + i, _mm512_maskz_cvtph_ps(
                                    0xffff, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(in + i))));
    if (i < n) {
      const __mmask16 mask = first_words(n - i);
      _mm512_mask_storeu_ps(out + i, mask,
                            _mm512_maskz_cvtph_ps(0xffff, _mm256_maskz_loadu_epi16(mask, in + i)));
    }
  }
  EBB_AVX512 static void to_fp16(const float* in, std::uint16_t* out, std::int64_t n) {
    constexpr int kRounding = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    std::int64_t i = 0;
    for (; i + 16 <= n; i += 16)
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                          _mm512_maskz_cvtps_ph(0xffff, _mm512_loadu_ps(in + i), kRounding));
    if (i < n) {
      const __mmask16 mask = first_words(n - i);
      _mm256_mask_storeu_epi16(out + i, mask,
                               _mm512_maskz_cvtps_ph(0xffff, _mm512_maskz_loadu_ps(mask, in + i), kRounding));
    }
  }
  EBB_AVX512 static void from_bf16(const std::uint16_t* in, float* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_to_float(in[i]);
  }
  EBB_AVX512 static void to_bf16(const float* in, std::uint16_t* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = float_to_bf16(in[i]);
  }
};

EBB_KERNEL_SET(EBB_AVX512, "avx512")

}  // namespace

const Kernels* avx512_kernels() {
  return has_avx512() ? &kTable : nullptr;
}

}  // namespace ebb::numerics::cpu

#else
namespace ebb::numerics::cpu {
const Kernels* avx512_kernels() {
  return nullptr;
}
}  // namespace ebb::numerics::cpu
#endif
