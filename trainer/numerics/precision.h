#pragma once
#include <ATen/ATen.h>

#include "numerics/config.h"

namespace ebb::numerics {

inline at::ScalarType scalar_type(Dtype d) {
  return d == Dtype::fp16 ? at::kHalf : d == Dtype::bf16 ? at::kBFloat16 : at::kFloat;
}

}  // namespace ebb::numerics
