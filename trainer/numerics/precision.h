// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <ATen/core/TensorBody.h>

#include "numerics/dtype.h"

namespace ebb::numerics {

inline at::ScalarType scalar_type(Dtype d) {
  return d == Dtype::fp16 ? at::kHalf : d == Dtype::bf16 ? at::kBFloat16 : at::kFloat;
}

// Error(internal) if the tensor has another type.
Dtype dtype_of(const at::Tensor& tensor);

}  // namespace ebb::numerics
