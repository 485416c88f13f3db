// SPDX-License-Identifier: Apache-2.0
#pragma once
// Features of the processor without a name in __builtin_cpu_supports.
#if defined(__x86_64__)
#include <cpuid.h>

namespace ebb {

// Returns whether it converts between fp16 and fp32; clang 14 has no name for this feature.
inline bool has_f16c() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

}  // namespace ebb
#endif
