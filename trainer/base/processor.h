// SPDX-License-Identifier: Apache-2.0
#pragma once
// Features of the processor that __builtin_cpu_supports has no name for.
#if defined(__x86_64__)
#include <cpuid.h>

namespace ebb {

// Conversions between fp16 and fp32; clang 14 has no name for them.
inline bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

}  // namespace ebb
#endif
