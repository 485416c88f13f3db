// SPDX-License-Identifier: Apache-2.0
#pragma once
// Attributes that compile a function for an instruction set, whatever the build's target, and whether this
// processor has that set. Only on x86-64.
#include <immintrin.h>

#include <cstdint>

#include "base/processor.h"

#define EBB_AVX2 __attribute__((target("avx2,fma,f16c")))

// By default GCC uses vectors of 256 bits in its own loops. clang has no such option in an attribute.
#if defined(__clang__)
#define EBB_AVX512_SET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
#else
#define EBB_AVX512_SET "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512"
#endif
#define EBB_AVX512 __attribute__((target(EBB_AVX512_SET)))
#define EBB_AVX512_BF16 __attribute__((target(EBB_AVX512_SET ",avx512bf16")))

namespace ebb::numerics::cpu {

inline bool has_avx2() {
  static const bool has = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
  return has;
}

inline bool has_avx512() {
  static const bool has = has_avx2() && __builtin_cpu_supports("avx512f") &&
                          __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                          __builtin_cpu_supports("avx512vl");
  return has;
}

// A mask of the first n of the 16 words of a vector, for any n.
EBB_AVX512 inline __mmask16 first_words(std::int64_t n) {
  return static_cast<__mmask16>(n >= 16 ? 0xffffU : n <= 0 ? 0U : (1U << n) - 1U);
}

inline bool has_avx512_bf16() {
  static const bool has = has_avx512() && __builtin_cpu_supports("avx512bf16");
  return has;
}

// Whether bf16 products are faster by their own instruction than after conversion to fp32. Intel's cores
// start it every other cycle, and fp32 multiply-adds twice a cycle. It is thus half as fast (Emerald Rapids:
// 89 and 177 GFLOP/s a core). On AMD's cores it is twice as fast. The vendor decides, not a measurement: the
// same machine must give the same bits each time.
inline bool bf16_products_are_faster() {
  static const bool faster = has_avx512_bf16() && !__builtin_cpu_is("intel");
  return faster;
}

}  // namespace ebb::numerics::cpu
