// SPDX-License-Identifier: Apache-2.0
#include "numerics/precision.h"

#include <string>

#include "base/error.h"

namespace ebb::numerics {

Dtype dtype_of(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return Dtype::fp32;
    case at::kHalf:
      return Dtype::fp16;
    case at::kBFloat16:
      return Dtype::bf16;
    default:
      throw Error(ExitCode::internal, std::string("numerics: a tensor of type ") +
                                          c10::toString(tensor.scalar_type()) +
                                          " was passed where fp16, bf16 or fp32 is needed");
  }
}

}  // namespace ebb::numerics
