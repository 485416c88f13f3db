// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/kernels.h"

#if defined(__x86_64__)
#include "numerics/cpu/instruction_sets.h"
#include "numerics/cpu/kernel_set.h"

namespace ebb::numerics::cpu {
namespace {

struct Convert {
  EBB_AVX2 static void from_fp16(const std::uint16_t* in, float* out, std::int64_t n) {
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8)
      _mm256_storeu_ps(out + i, _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(in + i))));
    for (; i < n; ++i) out[i] = fp16_to_float(in[i]);
  }
  EBB_AVX2 static void to_fp16(const float* in, std::uint16_t* out, std::int64_t n) {
    constexpr int kRounding = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    std::int64_t i = 0;
    for (; i + 8 <= n; i += 8)
      _mm_storeu_si128(reinterpret_cast<__m128i*>(out + i),
                       _mm256_cvtps_ph(_mm256_loadu_ps(in + i), kRounding));
    for (; i < n; ++i) out[i] = float_to_fp16(in[i]);
  }
  // The compiler vectorises this as well.
  EBB_AVX2 static void from_bf16(const std::uint16_t* in, float* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_to_float(in[i]);
  }
  EBB_AVX2 static void to_bf16(const float* in, std::uint16_t* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = float_to_bf16(in[i]);
  }
};

EBB_KERNEL_SET(EBB_AVX2, "avx2")

}  // namespace

const Kernels* avx2_kernels() {
  return has_avx2() ? &kTable : nullptr;
}

}  // namespace ebb::numerics::cpu

#else
namespace ebb::numerics::cpu {
const Kernels* avx2_kernels() {
  return nullptr;
}
}  // namespace ebb::numerics::cpu
#endif
