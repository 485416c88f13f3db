#pragma once
// What marks a function as compiled for AVX-512, whatever the build is for. Only where the processor is
// x86-64.
#include <immintrin.h>

// Left alone, GCC takes vectors of 256 bits for its own loops; clang has no such wish to be told in this
// place.
#if defined(__clang__)
#define EBB_AVX512 __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c")))
#else
#define EBB_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c,prefer-vector-width=512")))
#endif

namespace ebb::numerics::cpu {

// FMA and F16C are not asked for: every processor with AVX-512 has them (and clang 14 knows no name for the
// second).
inline bool has_avx512() {
  static const bool has = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                          __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return has;
}

}  // namespace ebb::numerics::cpu
