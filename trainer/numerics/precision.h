#pragma once
#include <ATen/ATen.h>

namespace ebb::numerics {

enum class Dtype { fp16, bf16, fp32 };
inline at::ScalarType scalar_type(Dtype d) {
  return d == Dtype::fp16 ? at::kHalf : d == Dtype::bf16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace ebb::numerics
