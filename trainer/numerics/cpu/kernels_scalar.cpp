#include "numerics/cpu/kernel_set.h"

namespace ebb::numerics::cpu {
namespace {

struct Convert {
  static void from_half(const std::uint16_t* in, float* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = half_to_float(in[i]);
  }
  static void to_half(const float* in, std::uint16_t* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = float_to_half(in[i]);
  }
  static void from_brain(const std::uint16_t* in, float* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = brain_to_float(in[i]);
  }
  static void to_brain(const float* in, std::uint16_t* out, std::int64_t n) {
    for (std::int64_t i = 0; i < n; ++i) out[i] = float_to_brain(in[i]);
  }
};

EBB_KERNEL_SET(, "scalar")

}  // namespace

const Kernels& scalar_kernels() {
  return kTable;
}

const Kernels& kernels() {
  static const Kernels& chosen = avx512_kernels() != nullptr ? *avx512_kernels()
                                 : avx2_kernels() != nullptr ? *avx2_kernels()
                                                             : scalar_kernels();
  return chosen;
}

}  // namespace ebb::numerics::cpu
