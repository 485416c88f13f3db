// SPDX-License-Identifier: Apache-2.0
#include "numerics/cpu/kernel_set.h"

namespace ebb::numerics::cpu {
namespace {

struct Convert {
  static void from_fp16(const std::uint16_t* in, float* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = fp16_to_float(in[i]);
  }
  static void to_fp16(const float* in, std::uint16_t* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = float_to_fp16(in[i]);
  }
  static void from_bf16(const std::uint16_t* in, float* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = bf16_to_float(in[i]);
  }
  static void to_bf16(const float* in, std::uint16_t* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = float_to_bf16(in[i]);
  }
};

EBB_KERNEL_SET(, "scalar")

}  // namespace

const Kernels& scalar_kernels() {
  return kTable;
}

}  // namespace ebb::numerics::cpu
